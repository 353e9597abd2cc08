import flet as ft
def main(page: ft.Page): pass
ft.app(main)
