/* engine/gguf.c - the head of a GGUF file, read with checks of our own before libllama sees it. */
#include "engine/gguf.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include <ggml.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/gguf_check.h"
#include "engine/gguf_reader.h"

#define VERSION_MIN      2
#define VERSION_MAX      3
#define KEY_SHOWN        100
#define KEY_BYTES_MIN    13 /* its name's length, a name, its type; a value of one byte is left away */
#define PART_FIRST       "-00001-of-"
#define PART_NUMBERS     PART_FIRST "00003.gguf" /* how a first part's name ends, of three parts */
#define TENSOR_BYTES_MIN 33                      /* its name's length, a name, dimensions, one of them, type, offset */

/* GGUF's types of values. */
enum value_type {
    VALUE_UINT8,
    VALUE_INT8,
    VALUE_UINT16,
    VALUE_INT16,
    VALUE_UINT32,
    VALUE_INT32,
    VALUE_FLOAT32,
    VALUE_BOOL,
    VALUE_STRING,
    VALUE_ARRAY,
    VALUE_UINT64,
    VALUE_INT64,
    VALUE_FLOAT64,
};

static const uint8_t value_sizes[] = {
    [VALUE_UINT8] = 1,   [VALUE_INT8] = 1, [VALUE_UINT16] = 2, [VALUE_INT16] = 2, [VALUE_UINT32] = 4, [VALUE_INT32] = 4,
    [VALUE_FLOAT32] = 4, [VALUE_BOOL] = 1, [VALUE_UINT64] = 8, [VALUE_INT64] = 8, [VALUE_FLOAT64] = 8};

/* What is under way: one file. */
struct reading {
    struct weft_gguf_reader reader;
    struct weft_gguf *gguf;
    uint64_t key_hashes[WEFT_GGUF_KEYS_MAX];       /* of keys so far: none may come twice */
    uint64_t tensor_hashes[WEFT_GGUF_TENSORS_MAX]; /* likewise of tensors */
};

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a: whoever makes two names collide only has the file refused */
    for (; *text; text++) {
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    }
    return hash;
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool has_twins(uint64_t *hashes, size_t count)
{
    qsort(hashes, count, sizeof(*hashes), compare_hashes);
    for (size_t i = 1; i < count; i++) {
        if (hashes[i] == hashes[i - 1]) {
            return true;
        }
    }
    return false;
}

/* -- keys and values -- */

/* A whole number of whatever type. */
static int take_number(struct weft_gguf_reader *reader, uint32_t type, const char *key, uint64_t *out)
{
    unsigned char bytes[8] = {0};
    int status = weft_gguf_take(reader, bytes, value_sizes[type]);
    *out = 0;
    for (size_t i = 0; i < value_sizes[type]; i++) {
        *out |= (uint64_t)bytes[i] << (8 * i);
    }
    bool is_signed = type == VALUE_INT8 || type == VALUE_INT16 || type == VALUE_INT32 || type == VALUE_INT64;
    if (status == 0 && is_signed && (bytes[value_sizes[type] - 1] & 0x80)) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID, "is damaged: %s is negative. Download it again.", key);
    }
    return status;
}

static bool is_whole_number(uint32_t type)
{
    return type < WEFT_COUNT(value_sizes) && type != VALUE_FLOAT32 && type != VALUE_FLOAT64 && type != VALUE_BOOL &&
           type != VALUE_STRING && type != VALUE_ARRAY;
}

static int take_texts(struct weft_gguf_reader *reader, const char *key, uint64_t count)
{
    bool tokens = strcmp(key, "tokenizer.ggml.tokens") == 0;
    size_t max = tokens ? WEFT_GGUF_TOKEN_MAX : WEFT_GGUF_LISTED_MAX;
    int status = 0;
    for (uint64_t i = 0; i < count && status == 0; i++) {
        uint64_t size;
        status = weft_gguf_take_text(reader, tokens ? "a token" : "a text in a list", max, NULL, 0, &size);
    }
    return status;
}

static int take_list(struct reading *reading, const char *key)
{
    struct weft_gguf_reader *reader = &reading->reader;
    uint32_t type = 0;
    uint64_t count = 0;
    int status = weft_gguf_take_u32(reader, &type);
    if (status == 0) {
        status = weft_gguf_take_u64(reader, &count);
    }
    if (status < 0) {
        return status;
    }
    if (type >= WEFT_COUNT(value_sizes) || type == VALUE_ARRAY) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "is damaged: %s is a list of a type that there is not (%u). Download it again.", key,
                                type);
    }
    uint64_t least = type == VALUE_STRING ? sizeof(uint64_t) : value_sizes[type]; /* of one entry */
    if (count > WEFT_GGUF_LIST_MAX || count * least > reader->size - reader->at) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "is damaged or cut short: %s claims to be a list of %llu. Download it again.", key,
                                (unsigned long long)count);
    }
    uint64_t *field = weft_gguf_list_field(reading->gguf, key);
    if (field) {
        *field = count;
    }
    uint64_t *sum = weft_gguf_layer_field(reading->gguf, key);
    if (!sum || !is_whole_number(type)) {
        return type == VALUE_STRING ? take_texts(reader, key, count) : weft_gguf_skip(reader, count * least);
    }
    for (uint64_t i = 0; i < count && status == 0; i++) {
        uint64_t value = 0;
        status = take_number(reader, type, key, &value);
        weft_gguf_layer_value(reading->gguf, key, value);
    }
    return status;
}

static int take_value(struct reading *reading, const char *key)
{
    struct weft_gguf_reader *reader = &reading->reader;
    uint32_t type = 0;
    int status = weft_gguf_take_u32(reader, &type);
    if (status < 0) {
        return status;
    }
    if (type >= WEFT_COUNT(value_sizes)) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "is damaged: %s is of a type that there is not (%u). Download it again.", key, type);
    }
    if (type == VALUE_ARRAY) {
        return take_list(reading, key);
    }
    if (type == VALUE_STRING) {
        size_t room = 0;
        uint64_t size;
        char *field = weft_gguf_text_field(reading->gguf, key, &room);
        return weft_gguf_take_text(reader, key, WEFT_GGUF_TEXT_MAX, field, room, &size);
    }
    uint64_t *field = weft_gguf_number_field(reading->gguf, key);
    if (!field) {
        return weft_gguf_skip(reader, value_sizes[type]);
    }
    return is_whole_number(type) ? take_number(reader, type, key, field)
                                 : weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                                    "is damaged: %s is not a whole number. Download it again.", key);
}

static int take_keys(struct reading *reading, uint64_t count)
{
    struct weft_gguf_reader *reader = &reading->reader;
    int status = 0;
    for (uint64_t i = 0; i < count && status == 0; i++) {
        char key[KEY_SHOWN];
        uint64_t size = 0;
        status = weft_gguf_take_text(reader, "the name of a value", WEFT_GGUF_KEY_MAX, key, sizeof(key), &size);
        for (char *at = key; status == 0 && *at; at++) {
            *at = *at > ' ' && *at <= '~' ? *at : '?'; /* it may be shown */
        }
        if (status == 0 && (size == 0 || strlen(key) != (size < sizeof(key) ? size : sizeof(key) - 1))) {
            return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                    "is damaged: one of its values has no name. Download it again.");
        }
        if (status == 0) {
            reading->key_hashes[i] = hash_text(key);
            status = take_value(reading, key);
        }
    }
    if (status == 0 && has_twins(reading->key_hashes, (size_t)count)) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "is damaged: it says one of its values twice. Download it again.");
    }
    return status;
}

/* -- tensors -- */

struct tensor {
    char name[GGML_MAX_NAME];
    uint64_t shape[GGML_MAX_DIMS];
    uint32_t dimensions, type;
    uint64_t offset, size;
};

static int take_shape(struct weft_gguf_reader *reader, struct tensor *tensor)
{
    int status = weft_gguf_take_u32(reader, &tensor->dimensions);
    if (status < 0) {
        return status;
    }
    if (tensor->dimensions < 1 || tensor->dimensions > GGML_MAX_DIMS) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "is damaged: the tensor %s has %u dimensions, of 1 to 4. Download it again.",
                                tensor->name, tensor->dimensions);
    }
    uint64_t elements = 1;
    for (uint32_t i = 0; i < GGML_MAX_DIMS; i++) {
        tensor->shape[i] = 1;
        if (i < tensor->dimensions) {
            status = weft_gguf_take_u64(reader, &tensor->shape[i]);
        }
        if (status < 0) {
            return status;
        }
        if (tensor->shape[i] < 1 || tensor->shape[i] > (uint64_t)INT64_MAX / elements) {
            return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                    "is damaged: the tensor %s has an impossible shape. Download it again.",
                                    tensor->name);
        }
        elements *= tensor->shape[i];
    }
    return 0;
}

/* Its type, and with it its size in bytes. */
static int take_type(struct weft_gguf_reader *reader, struct tensor *tensor)
{
    int status = weft_gguf_take_u32(reader, &tensor->type);
    if (status < 0) {
        return status;
    }
    int64_t block = tensor->type < GGML_TYPE_COUNT ? ggml_blck_size((enum ggml_type)tensor->type) : 0;
    if (block <= 0) { /* there are numbers that had a type once */
        return weft_gguf_refuse(reader, WEFT_ERR_UNSUPPORTED,
                                "has the tensor %s in a type (%u) that this libllama does not know: it is damaged, or "
                                "needs a newer one.",
                                tensor->name, tensor->type);
    }
    if (tensor->shape[0] % (uint64_t)block != 0) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "is damaged: the tensor %s has rows of %llu, which its type (%s) cannot have. Download "
                                "it again.",
                                tensor->name, (unsigned long long)tensor->shape[0],
                                ggml_type_name((enum ggml_type)tensor->type));
    }
    uint64_t blocks = tensor->shape[0] / (uint64_t)block * tensor->shape[1] * tensor->shape[2] * tensor->shape[3];
    uint64_t bytes = ggml_type_size((enum ggml_type)tensor->type);
    tensor->size = blocks > (uint64_t)INT64_MAX / bytes ? (uint64_t)INT64_MAX : blocks * bytes;
    return 0;
}

static int take_tensor(struct reading *reading, struct tensor *tensor, uint64_t expected)
{
    struct weft_gguf_reader *reader = &reading->reader;
    uint64_t size = 0;
    int status = weft_gguf_take_text(reader, "a tensor's name", sizeof(tensor->name) - 1, tensor->name,
                                     sizeof(tensor->name), &size);
    for (char *at = tensor->name; status == 0 && *at; at++) {
        *at = *at > ' ' && *at <= '~' ? *at : '?';
    }
    if (status == 0) {
        status = take_shape(reader, tensor);
    }
    if (status == 0) {
        status = take_type(reader, tensor);
    }
    if (status == 0) {
        status = weft_gguf_take_u64(reader, &tensor->offset);
    }
    if (status == 0 && tensor->offset != expected) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID, "is damaged: the tensor %s %s. Download it again.",
                                tensor->name,
                                tensor->offset < expected       ? "overlaps the one before it"
                                : tensor->offset < reader->size ? "does not follow the one before it"
                                                                : "lies behind the end of the file");
    }
    return status;
}

static uint64_t pad(uint64_t at, uint64_t alignment)
{
    return (at + alignment - 1) / alignment * alignment;
}

static int take_tensors(struct reading *reading, uint64_t count)
{
    struct weft_gguf_reader *reader = &reading->reader;
    uint64_t end = 0, next = 0; /* of the tensors so far, from the first one's beginning */
    for (uint64_t i = 0; i < count; i++) {
        struct tensor tensor = {.dimensions = 0};
        int status = take_tensor(reading, &tensor, next);
        if (status == 0) {
            status = weft_gguf_note_tensor(reading->gguf, reader, tensor.name, tensor.type, tensor.shape, tensor.size);
        }
        if (status < 0) {
            return status;
        }
        reading->tensor_hashes[i] = hash_text(tensor.name);
        end = tensor.size > (uint64_t)INT64_MAX - next - WEFT_GGUF_ALIGNMENT_MAX ? (uint64_t)INT64_MAX
                                                                                 : next + tensor.size;
        next = end == (uint64_t)INT64_MAX ? end : pad(end, reading->gguf->alignment);
        reading->gguf->tensor_bytes += tensor.size < reader->size ? tensor.size : 0; /* else it is refused below */
    }
    if (has_twins(reading->tensor_hashes, (size_t)count)) {
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID, "is damaged: it has one tensor twice. Download it again.");
    }
    uint64_t start = pad(reader->at, reading->gguf->alignment);
    if (count > 0 && (start > reader->size || end > reader->size - start)) {
        uint64_t whole = end > (uint64_t)INT64_MAX - start ? end : start + end;
        char wants[WEFT_GGUF_SIZE_TEXT], lacks[WEFT_GGUF_SIZE_TEXT];
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID, "is cut short: %s of %s are missing. Download it again.",
                                weft_gguf_size(lacks, whole - reader->size), weft_gguf_size(wants, whole));
    }
    return 0;
}

/* -- the whole -- */

static int check_version(struct weft_gguf_reader *reader, uint32_t version)
{
    if (version >= VERSION_MIN && version <= VERSION_MAX) {
        return 0;
    }
    if (version == 1) {
        return weft_gguf_refuse(reader, WEFT_ERR_UNSUPPORTED,
                                "is of GGUF's first version, which libllama no longer reads. Download a newer file.");
    }
    return weft_gguf_refuse(
        reader, WEFT_ERR_UNSUPPORTED,
        "says that it is of GGUF's version %u, and this libllama knows %d: it is damaged, of another "
        "byte order, or needs a newer weft.",
        version, VERSION_MAX);
}

static int take_head(struct reading *reading)
{
    struct weft_gguf_reader *reader = &reading->reader;
    uint32_t magic = 0, version = 0;
    uint64_t tensors = 0, keys = 0;
    int status = weft_gguf_take_u32(reader, &magic); /* was looked at when it was opened */
    status = status < 0 ? status : weft_gguf_take_u32(reader, &version);
    status = status < 0 ? status : check_version(reader, version);
    status = status < 0 ? status : weft_gguf_take_u64(reader, &tensors);
    status = status < 0 ? status : weft_gguf_take_u64(reader, &keys);
    if (status < 0) {
        return status;
    }
    uint64_t left = reader->size - reader->at;
    if (tensors > WEFT_GGUF_TENSORS_MAX || keys > WEFT_GGUF_KEYS_MAX || keys > left / KEY_BYTES_MIN ||
        tensors > left / TENSOR_BYTES_MIN) {
        char size[WEFT_GGUF_SIZE_TEXT];
        return weft_gguf_refuse(reader, WEFT_ERR_INVALID,
                                "is damaged: it claims to hold %llu tensors and %llu values in %s. Download it again.",
                                (unsigned long long)tensors, (unsigned long long)keys,
                                weft_gguf_size(size, reader->size));
    }
    reading->gguf->tensors += tensors;
    reading->gguf->alignment = 0;
    status = take_keys(reading, keys);
    status = status < 0 ? status : weft_gguf_check_alignment(reading->gguf, reader);
    return status < 0 ? status : take_tensors(reading, tensors);
}

static int read_file(struct reading *reading, const char *path, char *problem)
{
    int status = weft_gguf_reader_open(&reading->reader, path, problem);
    if (status == 0) {
        reading->gguf->file_size += reading->reader.size;
        status = take_head(reading);
    }
    return status;
}

/* Where the numbers begin; NULL if it is not named as a first part is. */
static const char *find_numbers(const char *path)
{
    size_t size = strlen(path), numbers = strlen(PART_NUMBERS);
    const char *at = size > numbers ? path + size - numbers : NULL;
    bool named = at && strncmp(at, PART_FIRST, strlen(PART_FIRST)) == 0 && strcmp(path + size - 5, ".gguf") == 0 &&
                 strspn(at + strlen(PART_FIRST), "0123456789") == 5;
    return named ? at : NULL;
}

uint64_t weft_gguf_parts_named(const char *path)
{
    const char *numbers = find_numbers(path);
    uint64_t parts = numbers ? strtoull(numbers + strlen(PART_FIRST), NULL, 10) : 0;
    return parts <= WEFT_GGUF_PARTS_MAX ? parts : 0;
}

bool weft_gguf_part_path(char *out, size_t size, const char *path, uint64_t part)
{
    const char *numbers = find_numbers(path);
    int length = numbers ? snprintf(out, size, "%.*s-%05llu-of-%05llu.gguf", (int)(numbers - path), path,
                                    (unsigned long long)part, (unsigned long long)weft_gguf_parts_named(path))
                         : -1;
    return length > 0 && (size_t)length < size;
}

static int read_parts(struct reading *reading, const char *path, char *problem)
{
    struct weft_gguf *gguf = reading->gguf;
    uint64_t parts = gguf->parts;
    if (weft_gguf_parts_named(path) != parts || gguf->part != 0) {
        return weft_gguf_refuse(
            &reading->reader, WEFT_ERR_INVALID,
            "is part %llu of a model in %llu files. Keep them in one folder, with the names that they "
            "came with, and give --model the first of them (...-00001-of-%05llu.gguf).",
            (unsigned long long)gguf->part + 1, (unsigned long long)parts, (unsigned long long)parts);
    }
    int status = 0;
    for (uint64_t i = 1; i < parts && status == 0; i++) {
        char other[PATH_MAX];
        weft_gguf_reader_close(&reading->reader);
        if (!weft_gguf_part_path(other, sizeof(other), path, i + 1)) {
            return weft_gguf_refuse(&reading->reader, WEFT_ERR_INVALID,
                                    "has too long a path. Move the model to a folder nearer to the root.");
        }
        struct weft_gguf first = *gguf; /* what describes the model stands in the first part only */
        status = read_file(reading, other, problem);
        if (status == 0 && (gguf->part != i || gguf->parts != parts)) {
            status = weft_gguf_refuse(&reading->reader, WEFT_ERR_INVALID,
                                      "is not the part of this model that its name says. Download the parts again.");
        }
        first.file_size = gguf->file_size;
        first.tensor_bytes = gguf->tensor_bytes;
        first.tensors = gguf->tensors;
        first.has_embeddings |= gguf->has_embeddings;
        first.has_output |= gguf->has_output;
        first.embedding_rows = gguf->embedding_rows;
        first.embedding_bytes = gguf->embedding_bytes;
        first.embedding_type = gguf->embedding_type;
        memcpy(first.matrix_bytes, gguf->matrix_bytes, sizeof(first.matrix_bytes));
        if (status == WEFT_ERR_NOT_FOUND) {
            (void)snprintf(problem, WEFT_ENGINE_PROBLEM_MAX,
                           "Part %llu of the model's %llu files is missing: %s. Download it into the same folder.",
                           (unsigned long long)i + 1, (unsigned long long)parts, reading->reader.name);
        }
        *gguf = first;
    }
    return status;
}

int weft_gguf_read(struct weft_gguf *gguf, const char *path, char problem[WEFT_ENGINE_PROBLEM_MAX])
{
    *gguf = (struct weft_gguf){.tensors = 0};
    struct reading *reading = weft_zalloc(sizeof(*reading));
    if (!reading) {
        (void)snprintf(problem, WEFT_ENGINE_PROBLEM_MAX, "Out of memory.");
        return WEFT_ERR_MEMORY;
    }
    reading->gguf = gguf;
    int status = read_file(reading, path, problem);
    if (status == 0 && gguf->parts > 1) {
        status = read_parts(reading, path, problem);
    }
    if (status == 0) {
        status = weft_gguf_check(gguf, &reading->reader);
    }
    weft_gguf_reader_close(&reading->reader);
    weft_free(reading);
    return status;
}
