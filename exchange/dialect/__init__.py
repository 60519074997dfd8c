"""The words of the dialect: names, numbers, channels, refusals and the fields of its objects.

Pure functions between the machine's integers and Deribit-shaped JSON values. Knows no connection, clock or socket.
Imports core and quant.
"""
