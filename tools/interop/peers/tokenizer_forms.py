"""Whether Hugging Face's tokenizers makes the same tokens of each text with our tokenizer.json as we do."""
import json
import os

import tokenizers

folder = os.environ["DIR"]
said = []
for name in os.environ["NAMES"].split():
    with open(f"{folder}/{name}.json", encoding="utf-8") as file:
        whole = json.load(file)
    # As it is: the start token stands before every text, and special tokens are themselves where they are named.
    full = tokenizers.Tokenizer.from_str(json.dumps(whole))
    # What a user wrote: the name of a special token is text, and nothing is put before.
    plain = whole | {
        "added_tokens": [token for token in whole["added_tokens"] if not token["special"]],
        "post_processor": None,
    }
    with open(f"{folder}/{name}.cases", encoding="utf-8") as file:
        cases = json.load(file)
    for theirs, kind in ((full, "full"), (tokenizers.Tokenizer.from_str(json.dumps(plain)), "plain")):
        wrong = [case for case in cases if theirs.encode(case["text"]).ids != case[kind]]
        assert not wrong, f"{name}, {kind}: {len(wrong)} of {len(cases)} differ, like {wrong[0]['text']!r}: " + \
            f"{theirs.encode(wrong[0]['text']).tokens} and {[theirs.id_to_token(id) for id in wrong[0][kind]]}"
    said.append(f"{name} {len(cases)}")
print(f"tokenizers {tokenizers.__version__} makes the same tokens of all texts: {', '.join(said)}")
