"""The official client against our gateway: models, completion, stream, chat, errors."""
import os

import openai

client = openai.OpenAI(base_url=os.environ["URL"] + "/v1", api_key=os.environ["KEY"], max_retries=0)
assert [m.id for m in client.models.list().data] == ["chat"]
ask = dict(model="chat", prompt="The scheduler", max_tokens=8, temperature=0)
whole = client.completions.create(**ask)
chunks = list(client.completions.create(**ask, stream=True))
streamed = "".join(c.choices[0].text for c in chunks if c.choices)
assert streamed == whole.choices[0].text, (streamed, whole.choices[0].text)
said = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "The"}], max_tokens=4)
assert said.choices[0].message.role == "assistant"
try:
    client.completions.create(model="nobody", prompt="x")
    raise SystemExit("an unknown model was answered")
except openai.NotFoundError:
    pass
print(f"openai {openai.__version__}: models, completion = stream of {len(chunks)} chunks, chat, 404")
