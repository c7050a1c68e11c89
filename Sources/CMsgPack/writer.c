// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CMsgPack.h"

#include <stdlib.h>

void cmsgpack_writer_grow(cmsgpack_writer *writer, size_t extra) {
    size_t needed = 0;
    size_t capacity = 0;
    if (__builtin_add_overflow(writer->count, extra, &needed)) { abort(); }
    if (__builtin_mul_overflow(writer->capacity, (size_t)2, &capacity) || capacity < needed) { capacity = needed; }
    if (capacity < 256) { capacity = 256; }
    if (writer->bytes == writer->borrowed) {
        uint8_t *bytes = malloc(capacity);
        if (bytes == NULL) { abort(); }
        if (writer->count != 0) { memcpy(bytes, writer->bytes, writer->count); }
        writer->bytes = bytes;
        writer->borrowed = NULL;
    } else {
        uint8_t *bytes = realloc(writer->bytes, capacity);
        if (bytes == NULL) { abort(); }
        writer->bytes = bytes;
    }
    writer->capacity = capacity;
}

void cmsgpack_writer_free(cmsgpack_writer *writer) {
    if (writer->bytes != writer->borrowed) { free(writer->bytes); }
    *writer = (cmsgpack_writer){0};
}

bool cmsgpack_pack_long_string(cmsgpack_writer *writer, const void *bytes, size_t count) {
    if (count > UINT32_MAX) { return false; }
    cmsgpack_writer_reserve(writer, count + 5);
    cmsgpack_pack_str(writer, count);
    cmsgpack_writer_append(writer, bytes, count);
    return true;
}

void cmsgpack_writer_patch(cmsgpack_writer *writer, size_t header, size_t count, bool is_map) {
    if (count < 16) {
        writer->bytes[header] = (uint8_t)((is_map ? 0x80 : 0x90) | count);
        return;
    }
    uint8_t storage[8];
    cmsgpack_writer scratch = {storage, 0, sizeof storage, storage};
    if (is_map) {
        cmsgpack_pack_map(&scratch, count);
    } else {
        cmsgpack_pack_array(&scratch, count);
    }
    size_t body = header + 1;
    size_t extra = scratch.count - 1;
    cmsgpack_writer_reserve(writer, extra);
    memmove(writer->bytes + body + extra, writer->bytes + body, writer->count - body);
    memcpy(writer->bytes + header, storage, scratch.count);
    writer->count += extra;
}

// The template once more, this time onto a bare pointer: the bulk loops below have made room for a chunk of elements.
#define msgpack_pack_ext put_ext
#define msgpack_pack_inline_func(name) __attribute__((unused)) static inline void put##name
#define msgpack_pack_user uint8_t **
#define msgpack_pack_append_buffer(user, buf, len)                                                                     \
    do {                                                                                                               \
        memcpy(*(user), (buf), (len));                                                                                 \
        *(user) += (len);                                                                                              \
    } while (0)
#include <msgpack/pack_template.h>
#undef msgpack_pack_ext

enum { CHUNK = 8192, LARGEST = 9 };

#define PACK_ARRAY(NAME, TYPE, PUT)                                                                                    \
    void cmsgpack_pack_array_##NAME(cmsgpack_writer *writer, const void *elements, size_t count) {                     \
        const TYPE *from = elements;                                                                                   \
        cmsgpack_pack_array(writer, count);                                                                            \
        while (count != 0) {                                                                                           \
            size_t chunk = count < CHUNK ? count : CHUNK;                                                              \
            cmsgpack_writer_reserve(writer, chunk *LARGEST);                                                           \
            uint8_t *to = writer->bytes + writer->count;                                                               \
            for (size_t index = 0; index < chunk; ++index) { PUT(&to, from[index]); }                                  \
            writer->count = (size_t)(to - writer->bytes);                                                              \
            from += chunk;                                                                                             \
            count -= chunk;                                                                                            \
        }                                                                                                              \
    }

static inline void put_bool(uint8_t **to, bool value) { *(*to)++ = value ? 0xc3 : 0xc2; }

PACK_ARRAY(int8, int8_t, put_int8)
PACK_ARRAY(int16, int16_t, put_int16)
PACK_ARRAY(int32, int32_t, put_int32)
PACK_ARRAY(int64, int64_t, put_int64)
PACK_ARRAY(uint16, uint16_t, put_uint16)
PACK_ARRAY(uint32, uint32_t, put_uint32)
PACK_ARRAY(uint64, uint64_t, put_uint64)
PACK_ARRAY(float, float, put_float)
PACK_ARRAY(double, double, put_double)
PACK_ARRAY(bool, bool, put_bool)
