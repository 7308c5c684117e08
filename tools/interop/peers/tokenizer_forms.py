"""Whether Hugging Face's tokenizers makes the same tokens of each text with our tokenizer.json as we do."""
import json
import os

import tokenizers

folder = os.environ["DIR"]
said = []
for name in os.environ["NAMES"].split():
    with open(f"{folder}/{name}.json", encoding="utf-8") as file:
        whole = json.load(file)
    # Our encoder takes the name of a special token in a text for text, and leaves the start to who asks.
    whole.update(added_tokens=[], post_processor=None)
    theirs = tokenizers.Tokenizer.from_str(json.dumps(whole))
    with open(f"{folder}/{name}.cases", encoding="utf-8") as file:
        cases = json.load(file)
    wrong = [case for case in cases if theirs.encode(case["text"]).ids != case["ids"]]
    assert not wrong, f"{name}: {len(wrong)} of {len(cases)} differ, like {wrong[0]['text']!r}: " + \
        f"{theirs.encode(wrong[0]['text']).tokens} and {[theirs.id_to_token(id) for id in wrong[0]['ids']]}"
    said.append(f"{name} {len(cases)}")
print(f"tokenizers {tokenizers.__version__} makes the same tokens of all texts: {', '.join(said)}")
