/* store/schema.c - the tables, as steps from one version to the next. */
#include "store/schema.h"

const char *const weft_schema[WEFT_STORE_VERSION] = {
    [0] = "CREATE TABLE invites ("
          " id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 32),"
          " mesh BLOB NOT NULL CHECK (length(mesh) = 32),"
          " role INTEGER NOT NULL,"
          " uses INTEGER NOT NULL,"
          " uses_left INTEGER NOT NULL CHECK (uses_left BETWEEN 0 AND uses),"
          " made_s INTEGER NOT NULL,"
          " expires_s INTEGER NOT NULL,"
          " revoked INTEGER NOT NULL CHECK (revoked IN (0, 1))) STRICT;"

          "CREATE TABLE redemptions ("
          " invite BLOB NOT NULL REFERENCES invites (id) ON DELETE CASCADE,"
          " node BLOB NOT NULL CHECK (length(node) = 32),"
          " expires_s INTEGER NOT NULL,"
          " certificate BLOB NOT NULL,"
          " PRIMARY KEY (invite, node)) STRICT;"

          "CREATE TABLE memberships ("
          " key BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),"
          " expires_s INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
          "CREATE TABLE issued ("
          " key BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),"
          " expires_s INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"
          "CREATE TABLE revocations ("
          " key BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),"
          " expires_s INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;"

          "CREATE TABLE sequence ("
          " only_row INTEGER PRIMARY KEY CHECK (only_row = 1),"
          " incarnation INTEGER NOT NULL, sequence INTEGER NOT NULL) STRICT;"
          "INSERT INTO sequence VALUES (1, 0, 0);",

    [1] = "CREATE TABLE gateways ("
          " key BLOB PRIMARY KEY NOT NULL CHECK (length(key) = 32),"
          " expires_s INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;",
};
