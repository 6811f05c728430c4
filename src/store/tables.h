/* store/tables.h - each operation of host/store.h, as a transaction on the tables. */
#ifndef WEFT_STORE_TABLES_H
#define WEFT_STORE_TABLES_H

#include "store/database.h"

/* Does `op`, which was checked, and fills in *result but for its problem: that is the database's. */
WEFT_MUST_USE int weft_tables_run(struct weft_database *database, const struct weft_store_op *op,
                                  struct weft_store_result *result);

#endif
