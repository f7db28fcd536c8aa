"""Runs in circuit-tracer's own environment, without gearscope: one case in, its matrix and what it cost out.

    python benchmarks/circuit_tracer_matrix.py MODEL DICTIONARIES OUT.npz ID ID ID ... [--max-features=N]

Measured is what a user waits for once everything is loaded: from the tokens to the matrix and the pruned graph. The
last line printed is JSON.

MODEL is a HuggingFace folder (Llama, GPT-2 or Gemma 2), DICTIONARIES one in circuit-tracer's layout. Everything is
opened by circuit-tracer's and TransformerLens' own code; the converted model must give the HuggingFace model's logits.
Made for circuit-tracer 0.5.0, transformer-lens 3.2.1 and transformers 4.57.3.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import yaml
from circuit_tracer.attribution.attribute import attribute
from circuit_tracer.graph import prune_graph
from circuit_tracer.replacement_model.replacement_model_transformerlens import TransformerLensReplacementModel
from circuit_tracer.transcoder.cross_layer_transcoder import load_clt
from circuit_tracer.transcoder.single_layer_transcoder import load_transcoder_set
from measure import Measured
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained import weight_conversions
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

BATCH = 64
"""Targets per backward pass; 256 was not faster and took more memory."""
FAMILY = {
    "gpt2": {
        "act_fn": "gelu_new",
        "normalization_type": "LN",
        "positional_embedding_type": "standard",
        "original_architecture": "GPT2LMHeadModel",
    },
    "llama": {
        "act_fn": "silu",
        "normalization_type": "RMS",
        "positional_embedding_type": "rotary",
        "rotary_adjacent_pairs": False,
        "rotary_base": 10000,
        "gated_mlp": True,
        "final_rms": True,
        "original_architecture": "LlamaForCausalLM",
    },
    "gemma2": {
        "act_fn": "gelu_pytorch_tanh",
        "normalization_type": "RMS",
        "positional_embedding_type": "rotary",
        "rotary_base": 10000,
        "gated_mlp": True,
        "final_rms": True,
        "use_attn_scale": True,
        "use_local_attn": True,
        "use_normalization_before_and_after": True,
        "original_architecture": "Gemma2ForCausalLM",
    },
}


def tokenizer(folder: Path, size: int):
    """A word per token, stored, as TransformerLens opens it again by name."""
    words = Tokenizer(WordLevel({f"w{i}": i for i in range(size)}, unk_token="w0"))
    made = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="w0", eos_token="w0", pad_token="w0")
    made.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def dictionaries(folder: Path):
    settings = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    hooks = {name: settings[name] for name in ("feature_input_hook", "feature_output_hook", "scan")}
    where = {"device": torch.device("cpu"), "dtype": torch.float32}
    if settings["model_kind"] == "cross_layer_transcoder":
        return load_clt(str(folder), **hooks, **where)
    count = len(list(folder.glob("layer_*.safetensors")))
    return load_transcoder_set({i: str(folder / f"layer_{i}.safetensors") for i in range(count)}, **hooks, **where)


def replaced_model(model: Path, coder: Path, ids: torch.Tensor) -> TransformerLensReplacementModel:
    hf = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager")
    config, kind = hf.config, hf.config.model_type
    heads, width = config.num_attention_heads, config.hidden_size
    own = dict(FAMILY[kind])
    if kind != "gpt2":
        own |= {"n_key_value_heads": config.num_key_value_heads, "rotary_dim": width // heads}
    if kind == "gemma2":
        own |= {
            "attn_scale": config.query_pre_attn_scalar**0.5,
            "attn_scores_soft_cap": config.attn_logit_softcapping,
            "output_logits_soft_cap": config.final_logit_softcapping,
            "window_size": config.sliding_window,
            "attn_types": ["local" if "sliding" in layer else "global" for layer in config.layer_types],
        }
    settings = HookedTransformerConfig(
        n_layers=config.num_hidden_layers,
        d_model=width,
        n_ctx=config.max_position_embeddings,
        d_head=width // heads,
        n_heads=heads,
        d_mlp=config.n_inner if kind == "gpt2" else config.intermediate_size,
        d_vocab=config.vocab_size,
        eps=config.layer_norm_epsilon if kind == "gpt2" else config.rms_norm_eps,
        device="cpu",
        dtype=torch.float32,
        model_name="tiny",
        init_weights=False,
        **own,
    )
    made = TransformerLensReplacementModel(settings, tokenizer=tokenizer(model / "words", config.vocab_size))
    converter = {"gemma2": "convert_gemma_weights"}.get(kind, f"convert_{kind}_weights")
    convert = getattr(weight_conversions, converter)
    unchanged = {"fold_ln": False, "center_writing_weights": False, "center_unembed": False, "fold_value_biases": False}
    made.load_and_process_state_dict(convert(hf, settings), **unchanged)
    made._configure_replacement_model(dictionaries(coder))
    with torch.no_grad():
        off = float((made(ids[None]) - hf(ids[None]).logits).abs().max())
    assert off < 1e-3, f"the converted model is off by {off}"
    return made


def main(model: str, coder: str, out: str, *rest: str) -> None:
    prompt = torch.tensor([int(i) for i in rest if not i.startswith("--")])
    most = next((int(option.partition("=")[2]) for option in rest if option.startswith("--max-features=")), None)
    replaced = replaced_model(Path(model), Path(coder), prompt)
    with Measured() as measured:
        graph = attribute(prompt, replaced, batch_size=BATCH, max_feature_nodes=most)
        measured.mark("trace")
        kept = prune_graph(graph)
        measured.mark("prune")
    np.savez(
        out,
        active=graph.active_features.numpy(),
        activation=graph.activation_values.float().numpy(),
        selected=graph.selected_features.numpy(),
        adjacency=graph.adjacency_matrix.numpy(),
        targets=np.array([target.vocab_idx for target in graph.logit_targets]),
        kept_nodes=kept.node_mask.numpy(),
    )
    print(json.dumps(measured.found()))


if __name__ == "__main__":
    main(*sys.argv[1:])
