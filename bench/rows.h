/* bench/rows.h - rows of libllama's batches. */
#ifndef WEFT_BENCH_ROWS_H
#define WEFT_BENCH_ROWS_H

#include <llama.h>
#include <stdbool.h>

static inline void bench_add_row(struct llama_batch *batch, llama_token id, int position, int sequence, bool logits)
{
    int at = batch->n_tokens++;
    batch->token[at] = id;
    batch->pos[at] = position;
    batch->n_seq_id[at] = 1;
    batch->seq_id[at][0] = sequence;
    batch->logits[at] = logits;
}

#endif
