"""Orders: what people have the server do. The record of who ordered what, and the claim that one holds at a time.

Begin with `order_book.py`; `exclusive.py` keeps a lab run and an animal of the zoo apart.
"""
