/* store/schema.h - the tables, as steps from one version to the next. */
#ifndef WEFT_STORE_SCHEMA_H
#define WEFT_STORE_SCHEMA_H

#include "host/store.h"

/* schema[v] makes version v + 1 of version v. What has been released never changes: a new version is a new step. */
extern const char *const weft_schema[WEFT_STORE_VERSION];

#endif
