/* cli/version.h - which weft this is. */
#ifndef WEFT_CLI_VERSION_H
#define WEFT_CLI_VERSION_H

extern const char *const weft_version; /* "0.1.0" */

#endif
