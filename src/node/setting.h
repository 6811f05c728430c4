/* node/setting.h - the one table of settings, and how to find a row of it. */
#ifndef WEFT_NODE_SETTING_H
#define WEFT_NODE_SETTING_H

#include "base/types.h"

enum weft_setting_kind {
    WEFT_SETTING_PATH,      /* struct weft_slice */
    WEFT_SETTING_SECRET,    /* struct weft_slice, never copied */
    WEFT_SETTING_LISTENERS, /* struct weft_config_listeners */
    WEFT_SETTING_PORT,      /* uint16_t */
    WEFT_SETTING_ADDRESS,   /* struct weft_address, of TCP */
    WEFT_SETTING_URL,       /* struct weft_slice, the text; parsed once all is known */
    WEFT_SETTING_HOSTS,     /* struct weft_config_hosts */
    WEFT_SETTING_ORIGINS,   /* struct weft_config_origins */
    WEFT_SETTING_MODELS,    /* struct weft_config_models */
    WEFT_SETTING_EXTERNALS, /* struct weft_config_externals */
    WEFT_SETTING_SWITCH,    /* bool; its flag takes no value */
    WEFT_SETTING_SIZE,      /* int64_t bytes */
    WEFT_SETTING_COUNT,     /* int64_t */
    WEFT_SETTING_DURATION,  /* weft_time */
    WEFT_SETTING_CHOICE,    /* an enum whose values count from 0 as `choices` does */
};

/* One row of the table. */
struct weft_setting {
    const char *name;     /* in the file, dotted; NULL: cannot be set there */
    const char *flag;     /* NULL: none */
    const char *variable; /* in the environment: every setting has one */
    enum weft_setting_kind kind;
    const char *fallback; /* the default, as one would write it; lists by commas; "" for none */
    int64_t min, max;     /* of a size, count or duration */
    const char *choices;  /* "auto|pretty|json" */
    const char *argument; /* what `--help` calls the value */
    const char *help;     /* one line */
    const char *section;
    size_t at; /* in struct weft_config */
};

extern const struct weft_setting weft_settings[];
extern const size_t weft_setting_count;

/* NULL if there is none. */
const struct weft_setting *weft_setting_by_name(struct weft_slice name);
const struct weft_setting *weft_setting_by_flag(struct weft_slice flag);

/* The row that somebody who wrote this may have meant, or NULL. */
const struct weft_setting *weft_setting_near_name(struct weft_slice name);
const struct weft_setting *weft_setting_near_flag(struct weft_slice flag);

#endif
