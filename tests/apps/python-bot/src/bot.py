import discord

discord.Client(intents=None).run("x")
