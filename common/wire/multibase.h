#pragma once

/* The two text bases of libp2p: base58btc and RFC 4648 base32 (lower case, no
 * padding). Bounded to short values: ids, never bulk data. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/bytes.h"

#define MULTIBASE_IN_MAX    128                           /* bytes in either function */
#define BASE58_TEXT_SIZE(n) ((size_t) (n) *138 / 100 + 2) /* with the final 0 */
#define BASE32_TEXT_SIZE(n) (((size_t) (n) *8 + 4) / 5 + 1)

/* v.len <= MULTIBASE_IN_MAX; ret has room for BASExx_TEXT_SIZE(v.len). Returns ret. */
char *base58_encode(struct bytes v, char *ret);
char *base32_encode(struct bytes v, char *ret);

/* False: a foreign character, more than `max` bytes, more text than
 * MULTIBASE_IN_MAX bytes need, or (base32) stray bits at the end. */
bool base58_decode(struct bytes text, uint8_t *ret, size_t max, size_t *ret_len);
bool base32_decode(struct bytes text, uint8_t *ret, size_t max, size_t *ret_len);
