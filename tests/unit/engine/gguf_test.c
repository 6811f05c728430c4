/* tests/unit/engine/gguf_test.c - a GGUF head that can be true is read, and each way to be wrong has its sentence. */
#include "engine/gguf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

#define FILE_MAX 4096

static char folder[] = "/tmp/weft-gguf-XXXXXX";
static char path[128];
static char problem[WEFT_ENGINE_PROBLEM_MAX];
static struct weft_gguf gguf;

/* -- a file in the making -- */

static unsigned char file[FILE_MAX];
static size_t file_size;

static void put(uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        file[file_size++] = (unsigned char)(value >> (8 * i));
    }
}

static void put_text(const char *text)
{
    put(strlen(text), 8);
    memcpy(file + file_size, text, strlen(text));
    file_size += strlen(text);
}

static void put_number(const char *key, uint32_t value)
{
    put_text(key);
    put(4, 4);
    put(value, 4);
}

static void put_string(const char *key, const char *value)
{
    put_text(key);
    put(8, 4);
    put_text(value);
}

static void put_tensor(const char *name, uint64_t columns, uint64_t rows, uint64_t offset)
{
    put_text(name);
    put(2, 4);
    put(columns, 8);
    put(rows, 8);
    put(0, 4); /* F32 */
    put(offset, 8);
}

/* What a test changes of a file that is right. */
struct change {
    uint32_t magic, version;
    uint64_t tensors, keys;
    uint32_t layers, heads, alignment;
    const char *architecture, *type, *again, *last_key;
    uint32_t tokens;
    uint64_t token_size; /* of each, as it is claimed */
    uint64_t columns, rows, second_offset;
    size_t cut;
};

static const struct change right = {.magic = 0x46554747,
                                    .version = 3,
                                    .tensors = 2,
                                    .keys = 11,
                                    .layers = 2,
                                    .heads = 4,
                                    .alignment = 32,
                                    .architecture = "llama",
                                    .type = "model",
                                    .again = "general.name",
                                    .last_key = "general.author",
                                    .tokens = 3,
                                    .token_size = 1,
                                    .columns = 8,
                                    .rows = 3,
                                    .second_offset = 96};

static void make(const struct change *change)
{
    file_size = 0;
    put(change->magic, 4);
    put(change->version, 4);
    put(change->tensors, 8);
    put(change->keys, 8);
    put_string("general.architecture", change->architecture);
    put_string("general.type", change->type);
    put_number("general.alignment", change->alignment);
    put_string(change->again, "x");
    put_string(change->last_key, "x");
    put_number("llama.block_count", change->layers);
    put_number("llama.context_length", 128);
    put_number("llama.embedding_length", 8);
    put_number("llama.attention.head_count", change->heads);
    put_string("tokenizer.ggml.model", "gpt2");
    put_text("tokenizer.ggml.tokens");
    put(9, 4); /* a list */
    put(8, 4); /* of texts */
    put(change->tokens, 8);
    for (uint32_t i = 0; i < change->tokens && i < 8; i++) {
        put(change->token_size, 8);
        put('a', 1);
    }
    put_tensor("token_embd.weight", change->columns, change->rows, 0);
    put_tensor("blk.0.attn_q.weight", 8, 8, change->second_offset);
    file_size = (file_size + 31) / 32 * 32 + 96 + 256;
    file_size -= change->cut;
}

static int read_made(void)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(file, 1, file_size, out), file_size);
    assert_int_equal(fclose(out), 0);
    problem[0] = '\0';
    int64_t live = weft_mem_live();
    int status = weft_gguf_read(&gguf, path, problem);
    assert_int_equal(weft_mem_live(), live);
    return status;
}

static int read_changed(const struct change *change)
{
    memset(file, 0, sizeof(file));
    make(change);
    return read_made();
}

/* -- tests -- */

static void a_right_file_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_changed(&right), 0);
    assert_string_equal(gguf.architecture, "llama");
    assert_int_equal(gguf.layers, 2);
    assert_int_equal(gguf.context, 128);
    assert_int_equal(gguf.embedding, 8);
    assert_int_equal(gguf.heads, 4);
    assert_int_equal(gguf.tokens, 3);
    assert_int_equal(gguf.tensors, 2);
    assert_int_equal(gguf.tensor_bytes, 96 + 256);
    assert_int_equal(gguf.file_size, file_size);
    assert_int_equal(gguf.matrix_bytes[0], 96 + 256); /* without an output of its own, the embeddings serve as one */
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    struct change rows[32];
    const char *says[WEFT_COUNT(rows)];
    size_t count = 0;
#define WRONG(sentence, ...)                                                                                           \
    rows[count] = right;                                                                                               \
    says[count] = (sentence);                                                                                          \
    rows[count].__VA_ARGS__;                                                                                           \
    count++
    WRONG("is not a GGUF file", magic = 0x12345678);
    WRONG("is a zip archive", magic = 0x04034b50);
    WRONG("GGUF's first version", version = 1);
    WRONG("needs a newer weft", version = 4);
    WRONG("claims to hold 1000000000 tensors", tensors = 1000000000);
    WRONG("claims to hold 2 tensors and 18446744073709551615 values", keys = UINT64_MAX);
    WRONG("is damaged or cut short", tokens = 4000000000);
    WRONG("a token claims to be 4097 bytes long", token_size = WEFT_GGUF_TOKEN_MAX + 1);
    WRONG("claims to have 0 layers", layers = 0);
    WRONG("claims to have 1000000 layers", layers = 1000000);
    WRONG("claims to have 0 attention heads", heads = 0);
    WRONG("its alignment is 24", alignment = 24);
    WRONG("which architecture", architecture = "");
    WRONG("is an adapter", type = "adapter");
    WRONG("looks at pictures", type = "mmproj");
    WRONG("says one of its values twice", again = "general.type");
    WRONG("has no name", last_key = "");
    WRONG("an impossible shape", columns = 0);
    WRONG("an impossible shape", rows = UINT64_MAX / 2);
    WRONG("3 tokens but 2 rows of embeddings", rows = 2);
    rows[count - 1].second_offset = 64;
    WRONG("overlaps the one before it", second_offset = 64);
    WRONG("does not follow the one before it", second_offset = 128);
    WRONG("lies behind the end", second_offset = (uint64_t)1 << 40);
    WRONG("is cut short: 1 bytes of 960 bytes are missing.", cut = 1);
    WRONG("is cut short", cut = 300);
    WRONG("end in the middle of what describes it", cut = 400);
    for (size_t i = 0; i < count; i++) {
        assert_true(read_changed(&rows[i]) < 0);
        if (!strstr(problem, says[i])) {
            print_message("row %zu: wanted \"%s\", got \"%s\"\n", i, says[i], problem);
        }
        assert_non_null(strstr(problem, says[i]));
        assert_non_null(strstr(problem, "x.gguf"));
        assert_null(strstr(problem, folder));
    }
}

/* No prefix of a right file is read as one, and none makes the reader look past its end. */
static void every_prefix_is_refused(void **state)
{
    (void)state;
    memset(file, 0, sizeof(file));
    make(&right);
    size_t whole = file_size;
    for (size_t size = 0; size < whole; size += 3) {
        file_size = size;
        assert_true(read_made() < 0);
        assert_true(problem[0] != '\0');
    }
}

/* Whatever byte is wrong, reading ends; many are no matter (a letter of a name). */
static void every_flipped_byte_is_survived(void **state)
{
    (void)state;
    unsigned refused = 0;
    for (size_t at = 0; at < 600; at++) {
        memset(file, 0, sizeof(file));
        make(&right);
        file[at] ^= 0xff;
        refused += read_made() < 0;
    }
    assert_true(refused > 300);
}

static void what_is_no_file_is_said(void **state)
{
    (void)state;
    assert_int_equal(weft_gguf_read(&gguf, folder, problem), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem, "is a folder"));
    assert_int_equal(weft_gguf_read(&gguf, "/nothing/here.gguf", problem), WEFT_ERR_NOT_FOUND);
    assert_string_equal(problem, "here.gguf is not there. Was it moved or renamed? Check its path.");
    file_size = 0;
    assert_int_equal(read_made(), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem, "is empty"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* and nobody waits for a writer */
    assert_int_equal(weft_gguf_read(&gguf, path, problem), WEFT_ERR_INVALID);
    assert_non_null(strstr(problem, "no ordinary file"));
    assert_int_equal(unlink(path), 0);
}

static void parts_are_told_by_the_end_of_a_name(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        uint64_t parts;
        const char *second;
    } cases[] = {
        {"m-00001-of-00003.gguf", 3, "m-00002-of-00003.gguf"},
        {"/best-of-12345/m-00001-of-00512.gguf", 512, "/best-of-12345/m-00002-of-00512.gguf"},
        {"/a-00001-of-b/m-00001-of-00002.gguf", 2, "/a-00001-of-b/m-00002-of-00002.gguf"},
        {"m-00001-of-00513.gguf", 0, NULL},
        {"m-00002-of-00003.gguf", 0, NULL},
        {"m-00001-of-00003.ggux", 0, NULL},
        {"m-00001-of-0000x.gguf", 0, NULL},
        {"-00001-of-00003.gguf", 0, NULL},
        {"best-of-12345.gguf", 0, NULL},
        {"m.gguf", 0, NULL},
        {"", 0, NULL},
    };
    for (size_t i = 0; i < WEFT_COUNT(cases); i++) {
        char second[64];
        assert_int_equal(weft_gguf_parts_named(cases[i].path), cases[i].parts);
        if (cases[i].parts > 0) {
            assert_true(weft_gguf_part_path(second, sizeof(second), cases[i].path, 2));
            assert_string_equal(second, cases[i].second);
            assert_false(weft_gguf_part_path(second, strlen(cases[i].second), cases[i].path, 2));
        }
    }
}

static void memory_that_runs_out_is_said(void **state)
{
    (void)state;
    assert_int_equal(read_changed(&right), 0);
    weft_mem_fail_at(1);
    assert_int_equal(weft_gguf_read(&gguf, path, problem), WEFT_ERR_MEMORY);
    assert_true(weft_mem_failed());
    weft_mem_fail_at(0);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/x.gguf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path); /* a test may have removed it */
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_file_is_read),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(every_flipped_byte_is_survived),
        cmocka_unit_test(parts_are_told_by_the_end_of_a_name),
        cmocka_unit_test(memory_that_runs_out_is_said),
        cmocka_unit_test(what_is_no_file_is_said),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
