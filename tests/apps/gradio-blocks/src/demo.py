import gradio as gr

with gr.Blocks() as ui:
    gr.Markdown("hello")

ui.launch(server_name="127.0.0.1")
