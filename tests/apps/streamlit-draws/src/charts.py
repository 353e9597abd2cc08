import streamlit as st
def f():
    st.write(1)
