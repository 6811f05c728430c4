/* wire/announcement.c - announcements as bytes. */
#include "wire/announcement.h"

#include "base/error.h"
#include "wire/utf8.h"

#define MAJOR    1
#define BIT(tag) ((uint32_t)1 << (tag))
/* Of a model's fields: the texts, two hashes, two numbers of 5 bytes, and 3 bytes at most before each. */
#define MODEL_MAX (WEFT_ANNOUNCEMENT_ALIAS_MAX + 2 * WEFT_ANNOUNCEMENT_TEXT_MAX + 2 * WEFT_HASH_SIZE + 2 * 5 + 7 * 3)

enum {
    TAG_KEY = 1,
    TAG_CHAIN,
    TAG_INCARNATION,
    TAG_SEQUENCE,
    TAG_MADE,
    TAG_ADDRESS, /* up to four */
    TAG_MODEL,   /* up to 32: fields of its own */
    TAG_BACKEND, /* texts and numbers from here on are left out where nothing is said */
    TAG_DEVICE,
    TAG_MEMORY,
    TAG_SPEED,
    TAG_VERSION,
};

enum {
    MODEL_ALIAS = 1,
    MODEL_HASH,
    MODEL_TEMPLATE_HASH,
    MODEL_QUANT,
    MODEL_KERNEL_CLASS,
    MODEL_CONTEXT,
    MODEL_SLOTS,
};

static bool is_text(struct weft_slice text, size_t max)
{
    return text.size <= max && weft_utf8_plain(text);
}

static bool hash_set(const uint8_t hash[WEFT_HASH_SIZE])
{
    static const uint8_t none[WEFT_HASH_SIZE];
    return memcmp(hash, none, WEFT_HASH_SIZE) != 0;
}

/* -- writing -- */

static bool model_valid(const struct weft_announced_model *model)
{
    return model->alias.size > 0 && is_text(model->alias, WEFT_ANNOUNCEMENT_ALIAS_MAX) &&
           is_text(model->quant, WEFT_ANNOUNCEMENT_TEXT_MAX) &&
           is_text(model->kernel_class, WEFT_ANNOUNCEMENT_TEXT_MAX);
}

static bool valid(const struct weft_announcement *announcement)
{
    if (announcement->address_count > WEFT_ANNOUNCEMENT_ADDRESSES_MAX ||
        announcement->model_count > WEFT_ANNOUNCEMENT_MODELS_MAX || !weft_key_set(&announcement->key) ||
        announcement->chain.size > WEFT_CHAIN_MAX || announcement->made_s < 0 ||
        announcement->made_s > WEFT_RECORD_SECOND_MAX || !is_text(announcement->backend, WEFT_ANNOUNCEMENT_TEXT_MAX) ||
        !is_text(announcement->device, WEFT_ANNOUNCEMENT_TEXT_MAX) ||
        !is_text(announcement->version, WEFT_ANNOUNCEMENT_TEXT_MAX)) {
        return false;
    }
    for (size_t i = 0; i < announcement->address_count; i++) {
        struct weft_hostport place;
        if (weft_hostport_parse(announcement->addresses[i], &place) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < announcement->model_count; i++) {
        if (!model_valid(&announcement->models[i])) {
            return false;
        }
    }
    return true;
}

static void put_text(struct weft_record_writer *writer, uint32_t tag, struct weft_slice text)
{
    if (text.size > 0) {
        weft_record_bytes(writer, tag, text);
    }
}

static void put_number(struct weft_record_writer *writer, uint32_t tag, uint64_t number)
{
    if (number > 0) {
        weft_record_number(writer, tag, number);
    }
}

static void put_hash(struct weft_record_writer *writer, uint32_t tag, const uint8_t hash[WEFT_HASH_SIZE])
{
    if (hash_set(hash)) {
        weft_record_bytes(writer, tag, weft_slice(hash, WEFT_HASH_SIZE));
    }
}

static void put_model(struct weft_record_writer *to, const struct weft_announced_model *model)
{
    uint8_t bytes[MODEL_MAX];
    struct weft_record_writer writer;
    weft_record_start_fields(&writer, bytes, sizeof(bytes));
    weft_record_bytes(&writer, MODEL_ALIAS, model->alias);
    put_hash(&writer, MODEL_HASH, model->hash);
    put_hash(&writer, MODEL_TEMPLATE_HASH, model->template_hash);
    put_text(&writer, MODEL_QUANT, model->quant);
    put_text(&writer, MODEL_KERNEL_CLASS, model->kernel_class);
    put_number(&writer, MODEL_CONTEXT, model->context);
    put_number(&writer, MODEL_SLOTS, model->slots);
    int64_t size = weft_record_finish(&writer);
    if (size < 0) {
        to->error = (int)size; /* cannot be: MODEL_MAX has room for the largest */
        return;
    }
    weft_record_bytes(to, TAG_MODEL, weft_slice(bytes, (size_t)size));
}

int64_t weft_announcement_write(const struct weft_announcement *announcement, uint8_t out[WEFT_ANNOUNCEMENT_MAX])
{
    if (!valid(announcement)) {
        return WEFT_ERR_INVALID;
    }
    struct weft_record_writer writer;
    weft_record_start(&writer, out, WEFT_ANNOUNCEMENT_MAX - WEFT_SIGNATURE_SIZE, MAJOR);
    weft_record_key(&writer, TAG_KEY, &announcement->key);
    weft_record_bytes(&writer, TAG_CHAIN, announcement->chain);
    weft_record_number(&writer, TAG_INCARNATION, announcement->incarnation);
    weft_record_number(&writer, TAG_SEQUENCE, announcement->sequence);
    weft_record_number(&writer, TAG_MADE, (uint64_t)announcement->made_s);
    for (size_t i = 0; i < announcement->address_count; i++) {
        weft_record_bytes(&writer, TAG_ADDRESS, announcement->addresses[i]);
    }
    for (size_t i = 0; i < announcement->model_count; i++) {
        put_model(&writer, &announcement->models[i]);
    }
    put_text(&writer, TAG_BACKEND, announcement->backend);
    put_text(&writer, TAG_DEVICE, announcement->device);
    put_number(&writer, TAG_MEMORY, announcement->memory);
    put_number(&writer, TAG_SPEED, announcement->speed_centi);
    put_text(&writer, TAG_VERSION, announcement->version);
    return weft_record_finish(&writer);
}

/* -- reading: what may be left out is left out, so that an announcement has one way to be written -- */

static int take_text(const struct weft_record_field *field, size_t max, struct weft_slice *out)
{
    if (field->value.size == 0 || !is_text(field->value, max)) {
        return WEFT_ERR_INVALID;
    }
    *out = field->value;
    return 0;
}

static int take_number(const struct weft_record_field *field, uint64_t max, uint64_t *out)
{
    int error = weft_record_to_number(field, max, out);
    return error == 0 && *out == 0 ? WEFT_ERR_INVALID : error;
}

static int take_u32(const struct weft_record_field *field, uint32_t *out)
{
    uint64_t number = 0;
    int error = take_number(field, UINT32_MAX, &number);
    *out = (uint32_t)number;
    return error;
}

static int take_hash(const struct weft_record_field *field, uint8_t out[WEFT_HASH_SIZE])
{
    int error = weft_record_to_bytes(field, out, WEFT_HASH_SIZE);
    return error == 0 && !hash_set(out) ? WEFT_ERR_INVALID : error;
}

static int take_of_model(void *self, const struct weft_record_field *field)
{
    struct weft_announced_model *model = self;
    switch (field->tag) {
    case MODEL_ALIAS:
        return take_text(field, WEFT_ANNOUNCEMENT_ALIAS_MAX, &model->alias);
    case MODEL_HASH:
        return take_hash(field, model->hash);
    case MODEL_TEMPLATE_HASH:
        return take_hash(field, model->template_hash);
    case MODEL_QUANT:
        return take_text(field, WEFT_ANNOUNCEMENT_TEXT_MAX, &model->quant);
    case MODEL_KERNEL_CLASS:
        return take_text(field, WEFT_ANNOUNCEMENT_TEXT_MAX, &model->kernel_class);
    case MODEL_CONTEXT:
        return take_u32(field, &model->context);
    case MODEL_SLOTS:
        return take_u32(field, &model->slots);
    default:
        return 0; /* of a newer version */
    }
}

static int take_model(struct weft_announcement *announcement, struct weft_slice fields)
{
    static const struct weft_record_shape shape = {
        .required = BIT(MODEL_ALIAS),
        .single = BIT(MODEL_ALIAS) | BIT(MODEL_HASH) | BIT(MODEL_TEMPLATE_HASH) | BIT(MODEL_QUANT) |
                  BIT(MODEL_KERNEL_CLASS) | BIT(MODEL_CONTEXT) | BIT(MODEL_SLOTS),
    };
    if (announcement->model_count == WEFT_ANNOUNCEMENT_MODELS_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    return weft_record_read(fields, &shape, take_of_model, &announcement->models[announcement->model_count++]);
}

static int take_address(struct weft_announcement *announcement, struct weft_slice text)
{
    struct weft_hostport place;
    if (announcement->address_count == WEFT_ANNOUNCEMENT_ADDRESSES_MAX) {
        return WEFT_ERR_TOO_LARGE;
    }
    announcement->addresses[announcement->address_count++] = text;
    return weft_hostport_parse(text, &place) < 0 ? WEFT_ERR_INVALID : 0;
}

static int take_chain(struct weft_announcement *announcement, struct weft_slice chain)
{
    announcement->chain = chain;
    return chain.size > WEFT_CHAIN_MAX ? WEFT_ERR_TOO_LARGE : 0;
}

static int take(void *self, const struct weft_record_field *field)
{
    struct weft_announcement *announcement = self;
    switch (field->tag) {
    case TAG_KEY:
        return weft_record_to_key(field, &announcement->key);
    case TAG_CHAIN:
        return take_chain(announcement, field->value);
    case TAG_INCARNATION:
        return weft_record_to_number(field, UINT64_MAX, &announcement->incarnation);
    case TAG_SEQUENCE:
        return weft_record_to_number(field, UINT64_MAX, &announcement->sequence);
    case TAG_MADE:
        return weft_record_to_second(field, &announcement->made_s);
    case TAG_ADDRESS:
        return take_address(announcement, field->value);
    case TAG_MODEL:
        return take_model(announcement, field->value);
    case TAG_BACKEND:
        return take_text(field, WEFT_ANNOUNCEMENT_TEXT_MAX, &announcement->backend);
    case TAG_DEVICE:
        return take_text(field, WEFT_ANNOUNCEMENT_TEXT_MAX, &announcement->device);
    case TAG_MEMORY:
        return take_number(field, UINT64_MAX, &announcement->memory);
    case TAG_SPEED:
        return take_u32(field, &announcement->speed_centi);
    case TAG_VERSION:
        return take_text(field, WEFT_ANNOUNCEMENT_TEXT_MAX, &announcement->version);
    default:
        return 0; /* of a newer version */
    }
}

int weft_announcement_read(struct weft_slice bytes, struct weft_announcement *out, struct weft_signed *parts)
{
#define REQUIRED (BIT(TAG_KEY) | BIT(TAG_CHAIN) | BIT(TAG_INCARNATION) | BIT(TAG_SEQUENCE) | BIT(TAG_MADE))
    static const struct weft_record_shape shape = {
        .major = MAJOR,
        .required = REQUIRED,
        .single = REQUIRED | BIT(TAG_BACKEND) | BIT(TAG_DEVICE) | BIT(TAG_MEMORY) | BIT(TAG_SPEED) | BIT(TAG_VERSION),
    };
    *out = (struct weft_announcement){0};
    int error = weft_signed_cut(bytes, WEFT_ANNOUNCEMENT_MAX, parts);
    return error < 0 ? error : weft_record_read(parts->record, &shape, take, out);
}
