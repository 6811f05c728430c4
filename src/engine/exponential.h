/* engine/exponential.h - e to the power of many numbers at once, by plain float arithmetic.
 *
 * The C library's takes longer than everything else that a sampler does. This one is the same on every machine whose
 * floats are IEEE's, and within 2.5e-7 of the true value, relatively. */
#ifndef WEFT_ENGINE_EXPONENTIAL_H
#define WEFT_ENGINE_EXPONENTIAL_H

#define WEFT_EXPONENTIAL_BLOCK 64
#define WEFT_EXPONENTIAL_LEAST (-87.0f) /* below this the result would leave a float's range */

/* In place. What is above 0 counts as 0, and what is below WEFT_EXPONENTIAL_LEAST as that. */
void weft_exponential_block(float numbers[WEFT_EXPONENTIAL_BLOCK]);
float weft_exponential(float number);

#endif
