import chainlit as cl
@cl.on_chat_start
async def m(): pass
