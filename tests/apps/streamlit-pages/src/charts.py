import streamlit as st


def chart():
    st.write(1)
