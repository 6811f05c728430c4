// tests/engine/openai_test.mjs - OpenAI's own client talks to a real model through a node.
//
// openai_test.py runs it and says where the node is (WEFT_URL), its model (WEFT_NAME), the context of a slot
// (WEFT_CONTEXT) and how long a case may take (WAIT_MS). Cases run one after the other.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { APIUserAbortError, BadRequestError, NotFoundError } from "openai";

const { WEFT_URL, WEFT_NAME: model, WEFT_CONTEXT, WAIT_MS } = process.env;
const client = new OpenAI({ baseURL: WEFT_URL, apiKey: "none", maxRetries: 0 });
const chat = client.chat.completions;
const messages = [{ role: "user", content: "Tell me a short story about a river." }];
const few = { model, messages, max_tokens: 24, seed: 7 };
const on = (name, run) => test(name, { timeout: Number(WAIT_MS) }, run);

async function collect(stream) {
    const seen = { text: "", chunks: [], finish: null, usage: null };
    for await (const chunk of stream) {
        seen.chunks.push(chunk);
        seen.text += chunk.choices[0]?.delta?.content ?? "";
        seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
        seen.usage = chunk.usage ?? seen.usage;
    }
    return seen;
}

async function failure(promise, kind) {
    const error = await promise.then(
        () => assert.fail("it succeeded"),
        (why) => why,
    );
    assert.ok(error instanceof kind, `${error.name} is no ${kind.name}: ${error.message}`);
    return error;
}

on("the model is listed", async () => {
    const models = await client.models.list();
    assert.deepEqual(
        models.data.map((each) => each.id),
        [model],
    );
    assert.equal((await client.models.retrieve(model)).id, model);
});

on("an answer in one piece, and the same one streamed", async () => {
    const { data: whole, response } = await chat.create(few).withResponse();
    assert.equal(whole.model, model);
    assert.ok(whole.choices[0].message.content.length > 20);
    assert.equal(whole.choices[0].finish_reason, "length");
    assert.equal(whole.usage.completion_tokens, 24);
    assert.equal(whole.usage.total_tokens, 24 + whole.usage.prompt_tokens);
    assert.equal(response.headers.get("x-weft-served-by"), "local");
    assert.equal(response.headers.get("x-weft-path"), "local");
    assert.equal(response.headers.get("x-weft-model"), model);
    assert.ok(response.headers.get("x-weft-request-id"));

    const streamed = await collect(await chat.create({ ...few, stream: true, stream_options: { include_usage: true } }));
    assert.equal(streamed.text, whole.choices[0].message.content);
    assert.equal(streamed.finish, "length");
    assert.equal(streamed.usage.completion_tokens, 24);
    assert.ok(streamed.usage.prompt_tokens_details.cached_tokens > 0, "the second time the prompt was known");
    assert.equal(new Set(streamed.chunks.map((chunk) => chunk.id)).size, 1);
});

on("without usage where nobody asked for it", async () => {
    const streamed = await collect(await chat.create({ ...few, stream: true }));
    assert.equal(streamed.usage, null);
});

on("the client's own reader of streams", async () => {
    const answer = await chat.stream(few).finalChatCompletion();
    assert.ok(answer.choices[0].message.content.length > 20);
});

on("several choices, each what its seed alone gives", async () => {
    const four = await chat.create({ ...few, n: 4 });
    assert.deepEqual(
        four.choices.map((choice) => choice.index),
        [0, 1, 2, 3],
    );
    assert.ok(new Set(four.choices.map((choice) => choice.message.content)).size > 1);
    assert.equal(four.usage.completion_tokens, 96);
});

on("log probabilities", async () => {
    const answer = await chat.create({ ...few, temperature: 0, logprobs: true, top_logprobs: 3 });
    const tokens = answer.choices[0].logprobs.content;
    assert.equal(tokens.map((token) => token.token).join(""), answer.choices[0].message.content);
    for (const token of tokens) {
        assert.ok(token.logprob <= 0 && token.top_logprobs.length === 3);
        assert.ok(Math.abs(token.top_logprobs[0].logprob - token.logprob) < 1e-4, "greedy takes the likeliest");
    }
});

on("a stop string ends the answer and is not in it", async () => {
    const whole = (await chat.create(few)).choices[0].message.content;
    const stop = whole.slice(20, 26);
    const answer = await chat.create({ ...few, stop: [stop] });
    assert.equal(answer.choices[0].message.content, whole.slice(0, whole.indexOf(stop)));
    assert.equal(answer.choices[0].finish_reason, "stop");
});

on("a forced tool call", async () => {
    const tools = [
        {
            type: "function",
            function: {
                name: "get_weather",
                description: "The weather in a city",
                parameters: {
                    type: "object",
                    properties: { city: { type: "string", maxLength: 20 }, unit: { enum: ["celsius", "fahrenheit"] } },
                    required: ["city", "unit"],
                    additionalProperties: false,
                },
            },
        },
    ];
    const asked = {
        model,
        messages: [{ role: "user", content: "What is the weather in Paris?" }],
        tools,
        tool_choice: { type: "function", function: { name: "get_weather" } },
        max_tokens: 200,
        seed: 3,
    };
    const whole = await chat.create(asked);
    assert.equal(whole.choices[0].finish_reason, "tool_calls");
    const [call] = whole.choices[0].message.tool_calls;
    assert.equal(call.type, "function");
    assert.equal(call.function.name, "get_weather");
    const given = JSON.parse(call.function.arguments);
    assert.ok(typeof given.city === "string" && ["celsius", "fahrenheit"].includes(given.unit));

    const streamed = await chat.stream(asked).finalChatCompletion();
    assert.equal(streamed.choices[0].finish_reason, "tool_calls");
    assert.equal(streamed.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);
});

on("an answer that fits a schema", async () => {
    const answer = await chat.create({
        ...few,
        max_tokens: 100,
        response_format: {
            type: "json_schema",
            json_schema: {
                name: "river",
                strict: true,
                schema: {
                    type: "object",
                    properties: { name: { type: "string", maxLength: 12 }, km: { type: "integer", minimum: 1, maximum: 9 } },
                    required: ["name", "km"],
                    additionalProperties: false,
                },
            },
        },
    });
    const river = JSON.parse(answer.choices[0].message.content);
    assert.ok(river.name.length <= 12 && Number.isInteger(river.km));
});

on("the older completions", async () => {
    const answer = await client.completions.create({ model, prompt: "The capital of France is", max_tokens: 8, temperature: 0 });
    assert.equal(answer.object, "text_completion");
    assert.match(answer.choices[0].text, /Paris/);
    let text = "";
    const stream = await client.completions.create({
        model,
        prompt: "The capital of France is",
        max_tokens: 8,
        temperature: 0,
        stream: true,
        echo: true,
    });
    for await (const chunk of stream) {
        text += chunk.choices[0]?.text ?? "";
    }
    assert.equal(text, "The capital of France is" + answer.choices[0].text);
});

on("an abort frees the slot", async () => {
    const stopped = new AbortController();
    const stream = await chat.create({ ...few, max_tokens: 400, stream: true }, { signal: stopped.signal });
    const wait = (async () => {
        for await (const chunk of stream) {
            if (chunk.choices[0]?.delta?.content) {
                stopped.abort();
            }
        }
    })();
    await wait.catch((error) => assert.ok(error instanceof APIUserAbortError, error));
    assert.ok((await chat.create(few)).choices[0].message.content);
});

on("an unknown model is named, with the nearest", async () => {
    const error = await failure(chat.create({ ...few, model: model.slice(1) }), NotFoundError);
    assert.equal(error.code, "model_not_found");
    assert.ok(error.message.includes(model), error.message);
});

on("a prompt that is too long is refused with both numbers", async () => {
    const long = [{ role: "user", content: "word ".repeat(2 * Number(WEFT_CONTEXT)) }];
    const error = await failure(chat.create({ ...few, messages: long }), BadRequestError);
    assert.equal(error.code, "context_length_exceeded");
    assert.ok(error.message.replaceAll(",", "").includes(WEFT_CONTEXT), error.message);
    assert.match(error.message.replaceAll(",", ""), /\b[0-9]{4,}\b/);
});

on("what cannot be honoured is refused by its name", async () => {
    const error = await failure(chat.create({ ...few, modalities: ["text", "audio"] }), BadRequestError);
    assert.equal(error.param, "modalities");
});
