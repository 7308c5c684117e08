"""Learns a vocabulary with SentencePiece; then says whether our tokens of each text, and tokenizers', are its own."""
import json
import os

import sentencepiece
import tokenizers

folder = os.environ["DIR"]
if os.environ["MODE"] == "train":
    # As Llama 2's: no normalising, every space kept, bytes for what is left over.
    sentencepiece.SentencePieceTrainer.train(
        input=f"{folder}/corpus.txt", model_prefix=f"{folder}/learnt", model_type="bpe", vocab_size=1200,
        character_coverage=0.99, byte_fallback=True, normalization_rule_name="identity", split_digits=True,
        remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, user_defined_symbols=["<call>", "<call>x"],
        minloglevel=2)
    model = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/learnt.model")
    kind = lambda id: (2 if model.is_unknown(id) else 3 if model.is_control(id) else 6 if model.is_byte(id)
                       else 4 if model.id_to_piece(id).startswith("<call>") else 1)
    with open(f"{folder}/pieces.json", "w", encoding="utf-8") as file:
        json.dump([{"text": model.id_to_piece(id), "score": model.get_score(id), "kind": kind(id)}
                   for id in range(model.vocab_size())], file)
else:
    model = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/learnt.model")
    theirs = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
    with open(f"{folder}/cases.json", encoding="utf-8") as file:
        cases = json.load(file)
    # Behind an added token both llama.cpp and tokenizers put a space, SentencePiece does not.
    unnamed = [case for case in cases if "<call>" not in case["text"]]
    for asked, key, cases_of in ((model.encode, "plain", unnamed), (lambda text: theirs.encode(text).ids, "full", cases)):
        wrong = [case for case in cases_of if asked(case["text"]) != case[key]]
        assert not wrong, f"{key}: {len(wrong)} of {len(cases)} differ, like {wrong[0]['text']!r}: " + \
            f"{[model.id_to_piece(id) for id in asked(wrong[0]['text'])]} and " + \
            f"{[model.id_to_piece(id) for id in wrong[0][key]]}"
    print(f"SentencePiece {sentencepiece.__version__} and tokenizers {tokenizers.__version__} make the same tokens of "
          f"{len(unnamed)} and {len(cases)} texts with {model.vocab_size()} pieces")
