// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CMsgPack.h"
#include "token.h"

// Bulk reading. An element of another kind, or out of range, stops the loop; the caller then says what is wrong.

static inline __attribute__((always_inline)) cmsgpack_token read_integer(const uint8_t *at) {
    const uint8_t *rest = at + 1;
    switch (*at) {
    case 0xcc: return token(CMSGPACK_INT, 2, cmsgpack_load8(rest));
    case 0xcd: return token(CMSGPACK_INT, 3, cmsgpack_load16(rest));
    case 0xce: return token(CMSGPACK_INT, 5, cmsgpack_load32(rest));
    case 0xcf: return unsigned_token(9, cmsgpack_load64(rest));
    case 0xd0: return token(CMSGPACK_INT, 2, (uint64_t)(int64_t)(int8_t)*rest);
    case 0xd1: return token(CMSGPACK_INT, 3, (uint64_t)(int64_t)(int16_t)cmsgpack_load16(rest));
    case 0xd2: return token(CMSGPACK_INT, 5, (uint64_t)(int64_t)(int32_t)cmsgpack_load32(rest));
    case 0xd3: return token(CMSGPACK_INT, 9, cmsgpack_load64(rest));
    default:
        return *at >= 0xe0 ? token(CMSGPACK_INT, 1, (uint64_t)(int64_t)(int8_t)*at) : token(CMSGPACK_INVALID, 1, 0);
    }
}

#define READ_INTEGERS(NAME, TYPE, IS_SIGNED, LOWEST, HIGHEST)                                                          \
    size_t cmsgpack_read_##NAME(const uint8_t *at, size_t count, void *out, const uint8_t **stop) {                    \
        TYPE *to = out;                                                                                                \
        size_t index = 0;                                                                                              \
        for (; index < count; ++index) {                                                                               \
            uint8_t first = *at;                                                                                       \
            if (first < 0x80) {                                                                                        \
                to[index] = (TYPE)first;                                                                               \
                at += 1;                                                                                               \
                continue;                                                                                              \
            }                                                                                                          \
            cmsgpack_token found = read_integer(at);                                                                   \
            if (found.kind == CMSGPACK_INT) {                                                                          \
                int64_t number = (int64_t)found.number;                                                                \
                if (IS_SIGNED ? (number < (int64_t)LOWEST || number > (int64_t)HIGHEST)                                \
                              : (number < 0 || found.number > (uint64_t)HIGHEST)) { break; }                           \
            } else if (found.kind != CMSGPACK_UINT || IS_SIGNED || found.number > (uint64_t)HIGHEST) {                 \
                break;                                                                                                 \
            }                                                                                                          \
            to[index] = (TYPE)found.number;                                                                            \
            at += found.header;                                                                                        \
        }                                                                                                              \
        *stop = at;                                                                                                    \
        return index;                                                                                                  \
    }

READ_INTEGERS(int8, int8_t, true, INT8_MIN, INT8_MAX)
READ_INTEGERS(int16, int16_t, true, INT16_MIN, INT16_MAX)
READ_INTEGERS(int32, int32_t, true, INT32_MIN, INT32_MAX)
READ_INTEGERS(int64, int64_t, true, INT64_MIN, INT64_MAX)
READ_INTEGERS(uint8, uint8_t, false, 0, UINT8_MAX)
READ_INTEGERS(uint16, uint16_t, false, 0, UINT16_MAX)
READ_INTEGERS(uint32, uint32_t, false, 0, UINT32_MAX)
READ_INTEGERS(uint64, uint64_t, false, 0, UINT64_MAX)

// Only the plain form is read in bulk; integers and the other width take the caller's careful way.
#define READ_FLOATS(NAME, TYPE, BITS, FIRST, LOAD)                                                                     \
    size_t cmsgpack_read_##NAME(const uint8_t *at, size_t count, void *out, const uint8_t **stop) {                    \
        TYPE *to = out;                                                                                                \
        size_t index = 0;                                                                                              \
        for (; index < count && *at == FIRST; ++index, at += 1 + sizeof(BITS)) {                                       \
            BITS bits = (BITS)LOAD(at + 1);                                                                            \
            memcpy(&to[index], &bits, sizeof bits);                                                                    \
        }                                                                                                              \
        *stop = at;                                                                                                    \
        return index;                                                                                                  \
    }

READ_FLOATS(float, float, uint32_t, 0xca, cmsgpack_load32)
READ_FLOATS(double, double, uint64_t, 0xcb, cmsgpack_load64)

size_t cmsgpack_read_bool(const uint8_t *at, size_t count, void *out, const uint8_t **stop) {
    bool *to = out;
    size_t index = 0;
    for (; index < count && (*at == 0xc2 || *at == 0xc3); ++index, ++at) { to[index] = *at == 0xc3; }
    *stop = at;
    return index;
}
