"""How an MLP's output moves with its input: J v, for one direction v per token, without the matrix J.

    J_l(x) v = d/dε [ post-norm( MLP_l(x + ε v) ) ]  at ε = 0

by forward-mode differentiation of the model's own modules, from the norm's output (`mlp_in`) to what reaches the
residual stream (`mlp_out`). Routers and choices are held where the point is. Knows nothing about what it is for.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from gearscope.models.anatomy import Anatomy


def mlp_tangent(anatomy: Anatomy, layer: int, x: Float[Tensor, "P D"], v: Float[Tensor, "P D"]) -> Float[Tensor, "P D"]:
    """J v of one layer's MLP at the inputs `x`, token by token."""
    parts = anatomy.blocks[layer]

    def added(inputs: Tensor) -> Tensor:
        out = parts.mlp.module(inputs[None])
        out = out[0] if isinstance(out, tuple) else out
        return (out if parts.mlp_post_norm is None else parts.mlp_post_norm.module(out))[0]

    with torch.inference_mode(mode=False), torch.no_grad():
        return torch.func.jvp(added, (x.clone(),), (v.clone(),))[1]
