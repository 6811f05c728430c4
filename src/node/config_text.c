/* node/config_text.c - the table of settings as text: `--help` and docs/CONFIG.md. */
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "node/config.h"
#include "node/setting.h"
#include "node/setting_value.h"

#define TEXT_LINE_MAX 512 /* bytes of one line of either text */

WEFT_PRINTF(3, 4)
static void print(struct weft_bytes *out, int *status, const char *format, ...)
{
    char line[TEXT_LINE_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    WEFT_ASSERT(length >= 0 && (size_t)length < sizeof(line)); /* all of it comes from the table */
    if (*status == 0) {
        *status = weft_bytes_append(out, line, (size_t)length);
    }
}

static bool begins_section(size_t row)
{
    return row == 0 || strcmp(weft_settings[row].section, weft_settings[row - 1].section) != 0;
}

int weft_config_help(struct weft_bytes *out)
{
    int status = 0;
    for (size_t i = 0; i < weft_setting_count; i++) {
        const struct weft_setting *setting = &weft_settings[i];
        if (begins_section(i)) {
            print(out, &status, "%s%s:\n", i == 0 ? "" : "\n", setting->section);
        }
        if (setting->flag) {
            print(out, &status, "  --%s%s%s%s\n", setting->flag, setting->argument[0] == '\0' ? "" : " ",
                  setting->argument, weft_setting_is_list(setting->kind) ? "  (may be repeated)" : "");
        } else {
            print(out, &status, "  %s=%s  (environment only)\n", setting->variable, setting->argument);
        }
        print(out, &status, "      %s\n", setting->help);
        if (setting->fallback[0] != '\0') {
            print(out, &status, "      default: %s\n", setting->fallback);
        }
    }
    return status;
}

/* `text` as code, or a dash. A bar would end a table's cell. */
static void print_code(struct weft_bytes *out, int *status, const char *before, const char *text)
{
    if (!text || text[0] == '\0') {
        print(out, status, " - |");
    } else {
        print(out, status, " `%s%s` |", before, text);
    }
}

int weft_config_markdown(struct weft_bytes *out)
{
    int status = 0;
    print(out, &status, "# Settings\n\n");
    print(out, &status, "Flags go over the environment, the environment over the file, the file over the defaults.\n");
    print(out, &status,
          "The file is YAML: a dot in a name stands for a section (`log.level` is `level` under `log:`).\n");
    print(out, &status,
          "Where several values may stand, the file has a list, the environment commas between them, and "
          "the flag is repeated;\n");
    print(out, &status,
          "what a higher place says replaces the whole list. Sizes are written as `512KiB`, `64MiB` or "
          "`1GiB`, times as\n");
    print(out, &status, "`500ms`, `30s`, `5m` or `1h`. An empty variable counts as not set.\n\n");
    print(out, &status, "This page is made from the table in `src/node/setting.c`: `weft help --markdown`.\n");
    for (size_t i = 0; i < weft_setting_count; i++) {
        const struct weft_setting *setting = &weft_settings[i];
        if (begins_section(i)) {
            print(out, &status, "\n## %s\n\n", setting->section);
            print(out, &status, "| in the file | flag | environment | default | what it is |\n");
            print(out, &status, "|---|---|---|---|---|\n");
        }
        print(out, &status, "|");
        print_code(out, &status, "", setting->name);
        print_code(out, &status, "--", setting->flag);
        print_code(out, &status, "", setting->variable);
        print_code(out, &status, "", setting->fallback);
        print(out, &status, " %s%s |\n", setting->help, weft_setting_is_list(setting->kind) ? " (a list)" : "");
    }
    return status;
}
