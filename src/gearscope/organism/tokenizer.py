"""The world's words as a HuggingFace tokenizer: one token per word, `<s>` in front, natural spacing when decoded.

Upper case is read as lower case. A word outside the world becomes `<unk>`. Marks need no spaces around them (`36+59=`).
It knows nothing about models.
"""

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from gearscope.organism.world.vocabulary import BOS, EOS, MARKS, PAD, SEPARATOR, UNKNOWN, VOCABULARY

NEVER = "\x00"
"""A prefix no word has: the decoder below joins words with spaces, except before a word with this prefix."""


def build_tokenizer(context: int) -> PreTrainedTokenizerFast:
    """The tokenizer of the organism. `context` is the longest text, in tokens, that the model accepts."""
    core = Tokenizer(WordLevel({word: index for index, word in enumerate(VOCABULARY)}, unk_token=UNKNOWN))
    core.normalizer = normalizers.Lowercase()
    marks = "".join(f"\\{mark}" for mark in MARKS if mark != SEPARATOR)
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[^\S\n]+"), behavior="removed"),
            pre_tokenizers.Split(Regex(f"\n|[{marks}]"), behavior="isolated"),
        ]
    )
    core.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix=NEVER, cleanup=True),
            decoders.Replace(f" {SEPARATOR}", SEPARATOR),
            decoders.Fuse(),
            decoders.Replace(f"{SEPARATOR} ", SEPARATOR),
        ]
    )
    bos = (BOS, VOCABULARY.index(BOS))
    core.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[bos])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        pad_token=PAD,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
