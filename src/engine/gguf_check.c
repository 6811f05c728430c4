/* engine/gguf_check.c - what the values and tensors of a GGUF file mean, and whether they can be true. */
#include "engine/gguf_check.h"

#include "base/error.h"

#define ALIGNMENT_DEFAULT 32
#define WIDTH_MAX         (1 << 20) /* of a layer; no model comes near, and products of such stay far from overflow */
#define CONTEXT_MAX       (1 << 30)

enum kind { KIND_NUMBER, KIND_LIST_COUNT };

struct field {
    const char *key; /* whole, or behind the architecture's name: ".block_count" */
    enum kind kind;
    size_t offset;
};

#define FIELD(name) offsetof(struct weft_gguf, name)

static const struct field fields[] = {
    {"general.alignment", KIND_NUMBER, FIELD(alignment)},
    {"split.count", KIND_NUMBER, FIELD(parts)},
    {"split.no", KIND_NUMBER, FIELD(part)},
    {".block_count", KIND_NUMBER, FIELD(layers)},
    {".context_length", KIND_NUMBER, FIELD(context)},
    {".embedding_length", KIND_NUMBER, FIELD(embedding)},
    {".feed_forward_length", KIND_NUMBER, FIELD(feed_forward)},
    {".attention.head_count", KIND_NUMBER, FIELD(heads)},
    {".attention.head_count_kv", KIND_NUMBER, FIELD(kv_heads)},
    {".attention.key_length", KIND_NUMBER, FIELD(key_length)},
    {".attention.value_length", KIND_NUMBER, FIELD(value_length)},
    {".expert_count", KIND_NUMBER, FIELD(experts)},
    {".ssm.conv_kernel", KIND_NUMBER, FIELD(state_conv)},
    {".ssm.inner_size", KIND_NUMBER, FIELD(state_inner)},
    {".ssm.state_size", KIND_NUMBER, FIELD(state_size)},
    {".ssm.group_count", KIND_NUMBER, FIELD(state_groups)},
    {".wkv.head_size", KIND_NUMBER, FIELD(state_heads)},
    {"tokenizer.ggml.tokens", KIND_LIST_COUNT, FIELD(tokens)},
    {"tokenizer.ggml.token_type", KIND_LIST_COUNT, FIELD(token_types)},
    {"tokenizer.ggml.scores", KIND_LIST_COUNT, FIELD(scores)},
    {"tokenizer.ggml.merges", KIND_LIST_COUNT, FIELD(merges)},
};

/* A key of the architecture's begins with its name, which may be said later in the file: any name will do. */
static bool is_key(const char *key, const char *wanted)
{
    const char *dot = strchr(key, '.');
    return strcmp(wanted[0] == '.' && dot ? dot : key, wanted) == 0;
}

static uint64_t *find(struct weft_gguf *gguf, const char *key, enum kind kind)
{
    for (size_t i = 0; i < WEFT_COUNT(fields); i++) {
        if (fields[i].kind == kind && is_key(key, fields[i].key)) {
            return (uint64_t *)(void *)((char *)gguf + fields[i].offset);
        }
    }
    return NULL;
}

uint64_t *weft_gguf_number_field(struct weft_gguf *gguf, const char *key)
{
    return find(gguf, key, KIND_NUMBER);
}

uint64_t *weft_gguf_list_field(struct weft_gguf *gguf, const char *key)
{
    return find(gguf, key, KIND_LIST_COUNT);
}

char *weft_gguf_text_field(struct weft_gguf *gguf, const char *key, size_t *room)
{
    *room = 0;
    if (strcmp(key, "general.architecture") == 0) {
        *room = sizeof(gguf->architecture);
        return gguf->architecture;
    }
    if (strcmp(key, "general.type") == 0) {
        *room = sizeof(gguf->type);
        return gguf->type;
    }
    gguf->has_vocabulary |= strcmp(key, "tokenizer.ggml.model") == 0;
    return NULL;
}

uint64_t *weft_gguf_layer_field(struct weft_gguf *gguf, const char *key)
{
    uint64_t *field = find(gguf, key, KIND_NUMBER);
    gguf->kv_heads_listed |= field == &gguf->kv_heads;
    return field;
}

void weft_gguf_layer_value(struct weft_gguf *gguf, const char *key, uint64_t value)
{
    uint64_t *field = find(gguf, key, KIND_NUMBER);
    if (field == &gguf->kv_heads) {
        *field += value < WIDTH_MAX ? value : WIDTH_MAX; /* what is larger is refused for its sum */
    } else if (field && value > *field) {
        *field = value;
    }
}

int weft_gguf_check_alignment(struct weft_gguf *gguf, struct weft_gguf_reader *reader)
{
    uint64_t given = gguf->alignment;
    gguf->alignment = given ? given : ALIGNMENT_DEFAULT;
    if (gguf->alignment > WEFT_GGUF_ALIGNMENT_MAX || (gguf->alignment & (gguf->alignment - 1)) != 0) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "is damaged: its alignment is %llu, which is no power of two. Download it again.",
                                (unsigned long long)given);
    }
    return 0;
}

int weft_gguf_note_tensor(struct weft_gguf *gguf, struct weft_gguf_reader *reader, const char *name, uint32_t type,
                          const uint64_t shape[4], uint64_t size)
{
    bool is_embedding = strcmp(name, "token_embd.weight") == 0;
    gguf->has_output |= strcmp(name, "output.weight") == 0;
    if (is_embedding) {
        gguf->has_embeddings = true;
        gguf->embedding_rows = shape[1];
        gguf->embedding_bytes = size;
        gguf->embedding_type = type;
    } else if (shape[1] > 1 && type < WEFT_GGUF_TYPES_MAX && size < reader->size) {
        gguf->matrix_bytes[type] += size; /* no vector is held in another layout */
    }
    return 0;
}

/* Is it a whole model? */
static int check_kind(const struct weft_gguf *gguf, struct weft_gguf_reader *reader)
{
    if (strcmp(gguf->type, "adapter") == 0) {
        return weft_gguf_refuse(
            reader, WEFT_ERR_UNSUPPORTED,
            "is an adapter (LoRA), which only changes another model. Give --model that model, merged "
            "with it.");
    }
    if (strcmp(gguf->type, "mmproj") == 0 || strcmp(gguf->architecture, "clip") == 0) {
        return weft_gguf_refuse(reader, WEFT_ERR_UNSUPPORTED,
                                "is the part of a model that looks at pictures. Give --model the part that writes.");
    }
    if (!gguf->architecture[0]) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "does not say which architecture it is of: it is damaged, or no language model.");
    }
    if (gguf->tensors == 0) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "holds no weights: it is only a vocabulary, or damaged. Download the whole model.");
    }
    if (!gguf->has_vocabulary || gguf->tokens == 0) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "holds no vocabulary, so no text can be read or written with it. Download the whole "
                                "model.");
    }
    return 0;
}

struct bound {
    const char *name;
    uint64_t value, min, max;
};

static int check_numbers(const struct weft_gguf *gguf, struct weft_gguf_reader *reader)
{
    bool recurrent = gguf->state_inner || gguf->state_heads;
    const struct bound bounds[] = {
        {"layers", gguf->layers, 1, WEFT_GGUF_LAYERS_MAX},
        {"tokens of context", gguf->context, 1, CONTEXT_MAX},
        {"numbers to a token", gguf->embedding, 1, WIDTH_MAX},
        {"attention heads", gguf->heads, recurrent ? 0 : 1, WIDTH_MAX},
        {"key and value heads", gguf->kv_heads, 0, (uint64_t)WIDTH_MAX * (gguf->kv_heads_listed ? gguf->layers : 1)},
        {"numbers to a key", gguf->key_length, 0, WIDTH_MAX},
        {"numbers to a value", gguf->value_length, 0, WIDTH_MAX},
        {"numbers to a hidden layer", gguf->feed_forward, 0, WIDTH_MAX},
        {"experts", gguf->experts, 0, WEFT_GGUF_EXPERTS_MAX},
        {"numbers to a state", gguf->state_size, 0, WIDTH_MAX},
        {"numbers to a recurrent layer", gguf->state_inner, 0, WIDTH_MAX},
        {"recurrent groups", gguf->state_groups, 0, WIDTH_MAX},
        {"recurrent heads", gguf->state_heads, 0, WIDTH_MAX},
        {"steps of convolution", gguf->state_conv, 0, WIDTH_MAX},
    };
    for (size_t i = 0; i < WEFT_COUNT(bounds); i++) {
        if (bounds[i].value < bounds[i].min || bounds[i].value > bounds[i].max) {
            return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                    "is damaged: it claims to have %llu %s, and %llu to %llu are possible. Download it "
                                    "again.",
                                    (unsigned long long)bounds[i].value, bounds[i].name,
                                    (unsigned long long)bounds[i].min, (unsigned long long)bounds[i].max);
        }
    }
    return 0;
}

static int check_vocabulary(const struct weft_gguf *gguf, struct weft_gguf_reader *reader)
{
    const struct bound lists[] = {
        {"token types", gguf->token_types, gguf->tokens, gguf->tokens},
        {"scores", gguf->scores, gguf->tokens, gguf->tokens},
        {"rows of embeddings", gguf->embedding_rows, gguf->tokens, gguf->tokens},
    };
    for (size_t i = 0; i < WEFT_COUNT(lists); i++) {
        if (lists[i].value > 0 && lists[i].value != gguf->tokens) {
            return weft_gguf_refuse(
                reader, WEFT_ERR_INVALID, "is damaged: it has %llu tokens but %llu %s. Download it again.",
                (unsigned long long)gguf->tokens, (unsigned long long)lists[i].value, lists[i].name);
        }
    }
    if (!gguf->has_embeddings) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "has no token embeddings: weights are missing. Download the whole model.");
    }
    return 0;
}

int weft_gguf_check(struct weft_gguf *gguf, struct weft_gguf_reader *reader)
{
    if (!gguf->has_output && gguf->embedding_type < WEFT_GGUF_TYPES_MAX) { /* they serve as the output's matrix too */
        gguf->matrix_bytes[gguf->embedding_type] += gguf->embedding_bytes;
    }
    int status = check_kind(gguf, reader);
    status = status < 0 ? status : check_numbers(gguf, reader);
    return status < 0 ? status : check_vocabulary(gguf, reader);
}
