"""The sparse products and the selection of `training`, as Triton kernels for GPUs.

Comes in: what the reference functions of `../sparse.py` and `../strongest.py` take. Goes out: what they return, equal
to rounding, and equal bit for bit from run to run: no sum is made by atomics. Reading order: `products.py` (decoding,
its transpose, gradients of values), `encoder.py` (pre-activations and what is kept of them). `../backend.py` decides
when they are used; nothing else imports them. Float32 only. Without a GPU they run, slowly, in Triton's interpreter
(TRITON_INTERPRET=1 before Triton is imported), which is how the tests compare them.
"""
