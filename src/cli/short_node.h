/* cli/short_node.h - a node that runs only until one thing is done: no listeners, no models, the home held meanwhile.
 */
#ifndef WEFT_CLI_SHORT_NODE_H
#define WEFT_CLI_SHORT_NODE_H

#include "cli/settings.h"
#include "node/node.h"

struct weft_short_node;

/* Runs it with these settings, which it changes to that end; `act` is called once it has started, and ends it, then or
 * later, by weft_short_node_end(). Returns the exit status given there; or it has said what is wrong. */
int weft_short_node_run(struct weft_settings *settings, void (*act)(void *self, struct weft_short_node *node),
                        void *self);
struct weft_mesh *weft_short_node_mesh(const struct weft_short_node *node);
void weft_short_node_end(struct weft_short_node *node, int exit);

#endif
