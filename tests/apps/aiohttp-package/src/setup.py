from setuptools import setup
setup(name="polls", install_requires=["aiohttp","aiohttp_jinja2"])
