"""SAEDashboard in `library.py`: the data of some features of one SAE over the same tokens, written as JSON.

    python library_saedashboard.py TOKENS.safetensors OUT.json SETTINGS

Made for sae-dashboard 0.8.0. Its own defaults where nothing else is said. The model is a random GPT-2 of the same
shape; each feature's threshold is the quantile of its pre-activations that lets it fire as often as in `library.py`.
"""

import json
import sys

import torch
from measure import Measured
from sae_dashboard.sae_vis_data import SaeVisConfig
from sae_dashboard.sae_vis_runner import SaeVisRunner
from sae_lens import JumpReLUSAE, JumpReLUSAEConfig
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig

_CALIBRATED = 64
"""Windows whose pre-activations say where the thresholds are."""


def main() -> None:
    path, out, text = sys.argv[1:4]
    settings = json.loads(text)
    tokens = load_file(path)["tokens"].long()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    shape, hook = settings["model"], f"blocks.{settings['layer']}.hook_resid_post"
    model = HookedTransformer(
        HookedTransformerConfig(
            n_layers=shape["layers"], d_model=shape["width"], n_heads=shape["heads"],
            d_head=shape["width"] // shape["heads"], d_mlp=shape["mlp"], n_ctx=tokens.shape[1],
            d_vocab=shape["vocabulary"], act_fn="gelu_new", normalization_type="LN", seed=0,
        )
    )  # fmt: skip
    sae = JumpReLUSAE(JumpReLUSAEConfig(d_in=shape["width"], d_sae=settings["dictionary"], apply_b_dec_to_input=False))
    sae.cfg.metadata.hook_name = hook
    with torch.no_grad():
        sae.W_enc.copy_(torch.randn_like(sae.W_enc))
        sae.W_dec.copy_(torch.nn.functional.normalize(torch.randn_like(sae.W_dec), dim=1))
        _, cache = model.run_with_cache(tokens[:_CALIBRATED], names_filter=hook)
        pre = (cache[hook].flatten(0, 1) @ sae.W_enc)[:4096]
        sae.threshold.copy_(pre.quantile(1 - settings["density"], dim=0).clamp(min=0))
    features = list(range(settings["features"]))
    with Measured() as measured:
        config = SaeVisConfig(hook_point=hook, features=features, minibatch_size_features=128)
        SaeVisRunner(config).run(encoder=sae, model=model, tokens=tokens).save_json(out)
    print(json.dumps(measured.found()))


if __name__ == "__main__":
    main()
