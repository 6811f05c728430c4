/* node/setting_value.h - what a setting's text means, kind by kind. */
#ifndef WEFT_NODE_SETTING_VALUE_H
#define WEFT_NODE_SETTING_VALUE_H

#include "node/config.h"
#include "node/setting.h"

/* Is it a list: may it be given several times? */
bool weft_setting_is_list(enum weft_setting_kind kind);

/* Empties a list. */
void weft_setting_clear(struct weft_config *config, const struct weft_setting *setting);

/* Reads `text` into its field; adds it if that is a list. On WEFT_ERR_INVALID `expected` says what should stand there,
 * on WEFT_ERR_FULL how many of a list there may be. */
WEFT_MUST_USE int weft_setting_take(struct weft_config *config, const struct weft_setting *setting,
                                    struct weft_slice text, char expected[WEFT_CONFIG_PROBLEM_MAX]);

#endif
