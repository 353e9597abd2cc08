import streamlit as st
from charts import chart

chart()
