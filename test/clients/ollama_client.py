"""Uses each of HOSTS, separated by blanks, as Ollama's own client does, with the model MODEL where it is given, else the first."""

import json
import os

import ollama

results = {}
for host in os.environ["HOSTS"].split():
    client = ollama.Client(host=host, headers={"Authorization": "Bearer " + os.environ["KEY"]})
    models = [model.model for model in client.list().models]
    answers = {}
    for model in [os.environ["MODEL"]] if os.environ.get("MODEL") else models:
        asked = [{"role": "user", "content": "/naive " + os.environ["QUESTION"]}]
        streamed = list(client.chat(model=model, messages=asked, stream=True))
        answers[model] = {
            "chat": client.chat(model=model, messages=asked).message.content,
            "stream": "".join(part.message.content or "" for part in streamed),
            "parts": len(streamed),
            "done": bool(streamed[-1].done),
            "generate": client.generate(model=model, prompt="Say it.").response,
        }
    results[host] = {"models": models, "answers": answers, "running": [m.model for m in client.ps().models]}
print(json.dumps(results))
