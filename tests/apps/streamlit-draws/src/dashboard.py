import streamlit as st
st.set_page_config(page_title="x")
st.write(1)
