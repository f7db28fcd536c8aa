"""What dictionaries are worth inside their model, on tokens that they were not trained on.

Comes in: a model, dictionaries, windows of token ids. Goes out: a `DictionaryReport`, with a random baseline beside
every figure that a random network could reach too. Knows nothing about training.

Reading order: `report.py` (the figures, as data), `replaced.py` (the model run with its MLPs replaced), `agreement.py`
(such runs beside the plain one), `positions.py` (errors by place in the window), `measure.py` (all of it at once);
`forms.py` (interchange maps as places in texts), `places.py` (where the world's variables are known), `auroc.py`,
`best.py` (the feature that tells a value best), `probe.py` (whether it can be read at all), `truths.py` (which
variables single features tell); `hops.py` (whether circuits keep the step between two facts), `states.py` (whether
automatic supernodes contain it); `looking.py` (which answers are explained by where heads look), `choices.py` (choices
of the organism to try that on); `questions.py` (questions with a known answer), `told.py` (which of them features
tell), `labelled.py` (whether rules name that).

Circuits put to test on the bundled model: `proof_report.py` and `basis_report.py` (the figures, as data),
`agreement_of_pairs.py` (whether circuits predict what editing one feature does to another), `patching.py` (neurons
beside activation patching), `gate_recall.py` (known inhibitions, found unaided), `edges.py` (edges beside the paths of
the running model) with `contrasts.py` (prompts to patch from), `path_patching.py` (the paths) and `edge_figures.py`
(counts and areas), `bases.py` (prompts in several bases, side by side).
"""
