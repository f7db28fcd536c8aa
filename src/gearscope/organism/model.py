"""An untrained stock Mistral of the organism's size, and its weights at the precision they are stored with.

Stock means: `AutoModelForCausalLM` opens the stored folder, with no code of ours. Embedding and unembedding are
separate matrices (unless tied), so that what a token means as an input and what speaks for it as an output can be told
apart. Each position sees a window of the text in each block. It knows nothing about the world.
"""

import torch
from transformers import GenerationConfig, MistralConfig, MistralForCausalLM

from gearscope.organism.config import OrganismConfig
from gearscope.organism.world.vocabulary import BOS, EOS, PAD, SEPARATOR, VOCABULARY


def untrained_model(config: OrganismConfig) -> MistralForCausalLM:
    """A model in float32 whose weights follow from `config.seed`; the global random state is left as it was."""
    bos, eos, pad, line_end = (VOCABULARY.index(word) for word in (BOS, EOS, PAD, SEPARATOR))
    settings = MistralConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=config.d_model,
        intermediate_size=config.d_mlp,
        num_hidden_layers=config.n_layers,
        num_attention_heads=config.n_heads,
        num_key_value_heads=config.n_heads,
        max_position_embeddings=config.context,
        sliding_window=config.window,
        tie_word_embeddings=config.tied,
        bos_token_id=bos,
        eos_token_id=eos,
        pad_token_id=pad,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = MistralForCausalLM(settings).float()
    model.set_attn_implementation("eager")  # rows are short: plain products take half the time of fused attention
    ends = [eos, line_end]
    model.generation_config = GenerationConfig(bos_token_id=bos, eos_token_id=ends, pad_token_id=pad)
    return model


@torch.no_grad()
def round_to_half(model: MistralForCausalLM) -> MistralForCausalLM:
    """Round every weight to float16 in place, keeping float32 as the type: what a stored bundle computes with."""
    for parameter in model.parameters():
        parameter.copy_(parameter.half().float())
    return model
