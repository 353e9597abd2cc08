from chainlit import on_message, Message
@on_message
async def m(x): pass
