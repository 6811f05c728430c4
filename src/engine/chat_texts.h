/* engine/chat_texts.h - what we write in the language of chat templates (Jinja), for chat_shim.cpp. */
#ifndef WEFT_ENGINE_CHAT_TEXTS_H
#define WEFT_ENGINE_CHAT_TEXTS_H

/* What a model without a template gets: a transcript, which is what base models have read most of. It ends where the
 * model begins to write the user's part. */
static const char plain_template[] = "{%- for message in messages -%}"
                                     "{%- if message.role == 'system' -%}{{- message.content + '\\n\\n' -}}"
                                     "{%- elif message.role == 'assistant' -%}"
                                     "{{- 'Assistant: ' + message.content + '\\n' -}}"
                                     "{%- else -%}{{- 'User: ' + message.content + '\\n' -}}{%- endif -%}"
                                     "{%- endfor -%}"
                                     "{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}";
static const char plain_stop[] = "\nUser:";

/* Templates that do not know tools get this before them when there are some: the tools are told with the first message,
 * calls and their results become text. libllama-common then finds out how calls are written, as with any template. */
static const char tools_preamble[] =
    "{%- set weft = namespace(list=[], told='', text='') -%}"
    "{%- if tools -%}"
    "{%- set weft.told = 'You can call functions. These are known, one JSON object per line:\n' -%}"
    "{%- for tool in tools -%}{%- set weft.told = weft.told + (tool.function | tojson) + '\n' -%}{%- endfor -%}"
    "{%- set weft.told = weft.told + 'To call one, answer with its name and arguments as a JSON object:\n"
    "<tool_call>\n{\"name\": NAME, \"arguments\": {ARGUMENTS}}\n</tool_call>' -%}"
    "{%- endif -%}"
    "{%- for message in messages -%}"
    "{%- set weft.text = message.content if message.content is string"
    " else (message.content | map(attribute='text') | join('\n') if message.content else '') -%}"
    "{%- set role = message.role -%}"
    "{%- if message.role == 'tool' -%}"
    "{%- set role = 'user' -%}{%- set weft.text = '<tool_response>\n' + weft.text + '\n</tool_response>' -%}"
    "{%- endif -%}"
    "{%- for call in message.tool_calls or [] -%}"
    "{%- set arguments = call.function.arguments if call.function.arguments is string"
    " else call.function.arguments | tojson -%}"
    "{%- set weft.text = weft.text + '<tool_call>\n{\"name\": \"' + call.function.name + '\", \"arguments\": ' + "
    "arguments +"
    " '}\n</tool_call>' -%}"
    "{%- endfor -%}"
    "{%- if loop.first and weft.told -%}"
    "{%- set weft.text = (weft.text + '\n\n' + weft.told) if role == 'system' else (weft.told + '\n\n' + weft.text) -%}"
    "{%- endif -%}"
    "{%- set weft.list = weft.list + [{'role': role, 'content': weft.text}] -%}"
    "{%- endfor -%}"
    "{%- set messages = weft.list -%}";

/* How a call begins there. */
static const char tools_mark[] = "<tool_call>\n";

/* Templates ask the machine's clock by strftime_now(); this stands before them and answers from the request's `now`
 * instead, so that a second attempt on another machine reads the same. */
static const char clock_macro[] =
    "{%- macro strftime_now(format) -%}"
    "{{- format | replace('%Y', weft_year | default('2024')) | replace('%m', weft_month | default('07'))"
    " | replace('%d', weft_day | default('26')) | replace('%B', weft_month_name | default('July'))"
    " | replace('%b', weft_month_short | default('Jul')) | replace('%H', weft_hour | default('00'))"
    " | replace('%M', weft_minute | default('00')) | replace('%S', weft_second | default('00'))"
    " | replace('%A', weft_weekday | default('Friday')) | replace('%a', weft_weekday_short | default('Fri')) -}}"
    "{%- endmacro -%}";

#endif
