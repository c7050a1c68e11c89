// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CBenchReference.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

enum { tag_count = 3 };

typedef struct {
    const char *bytes;
    uint32_t size;
} text;

typedef struct {
    int64_t id;
    text name;
    double score;
    text tags[tag_count];
    int64_t nested_number;
    bool nested_flag;
} item;

struct cbr_structs {
    size_t count;
    item *items;
};

// ---------------------------------------------------------------------------------------------------------------------
// Encoding.

static void pack_text(msgpack_packer *packer, const char *bytes, size_t size) {
    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, bytes, size);
}

// A key's size is known when this is compiled.
#define PACK_KEY(packer, key) pack_text((packer), (key), sizeof(key) - 1)

static void pack_item(msgpack_packer *packer, const item *item) {
    msgpack_pack_map(packer, 5);
    PACK_KEY(packer, "id");
    msgpack_pack_int64(packer, item->id);
    PACK_KEY(packer, "name");
    pack_text(packer, item->name.bytes, item->name.size);
    PACK_KEY(packer, "score");
    msgpack_pack_double(packer, item->score);
    PACK_KEY(packer, "tags");
    msgpack_pack_array(packer, tag_count);
    for (int tag = 0; tag < tag_count; tag++) { pack_text(packer, item->tags[tag].bytes, item->tags[tag].size); }
    PACK_KEY(packer, "nested");
    msgpack_pack_map(packer, 2);
    PACK_KEY(packer, "number");
    msgpack_pack_int64(packer, item->nested_number);
    PACK_KEY(packer, "flag");
    if (item->nested_flag) { msgpack_pack_true(packer); } else { msgpack_pack_false(packer); }
}

static size_t finish(msgpack_sbuffer *buffer, uint8_t *copy, size_t capacity) {
    size_t size = buffer->size;
    // Keeps the compiler from leaving out what is written only to be freed.
    __asm__ volatile("" : : "r"(buffer->data) : "memory");
    if (copy != NULL && size <= capacity) { memcpy(copy, buffer->data, size); }
    msgpack_sbuffer_destroy(buffer);
    return size;
}

// The library calls its writer through a pointer, since packing code is handed a packer made elsewhere. Here the
// compiler could see both, and would make code for this one writer only; so it is not told which it is.
static void start(msgpack_packer *packer, msgpack_sbuffer *buffer) {
    msgpack_packer_write write = msgpack_sbuffer_write;
    __asm__("" : "+r"(write));
    msgpack_sbuffer_init(buffer);
    msgpack_packer_init(packer, buffer, write);
}

size_t cbr_structs_pack(const cbr_structs *structs, uint8_t *copy, size_t capacity) {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    start(&packer, &buffer);
    msgpack_pack_array(&packer, structs->count);
    for (size_t index = 0; index < structs->count; index++) { pack_item(&packer, &structs->items[index]); }
    return finish(&buffer, copy, capacity);
}

size_t cbr_integers_pack(const int64_t *values, size_t count, uint8_t *copy, size_t capacity) {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    start(&packer, &buffer);
    msgpack_pack_array(&packer, count);
    for (size_t index = 0; index < count; index++) { msgpack_pack_int64(&packer, values[index]); }
    return finish(&buffer, copy, capacity);
}

// ---------------------------------------------------------------------------------------------------------------------
// Decoding.

static bool read_integer(const msgpack_object *object, int64_t *value) {
    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER && object->type != MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        return false;
    }
    *value = object->via.i64;
    return true;
}

static bool read_text(const msgpack_object *object, text *value) {
    if (object->type != MSGPACK_OBJECT_STR) { return false; }
    value->bytes = object->via.str.ptr;
    value->size = object->via.str.size;
    return true;
}

// The value of the member at `index`, which must have the key that is expected there.
static const msgpack_object *member(const msgpack_object *map, uint32_t index, const char *key, size_t size) {
    const msgpack_object_kv *pair = &map->via.map.ptr[index];
    if (pair->key.type != MSGPACK_OBJECT_STR || pair->key.via.str.size != size) { return NULL; }
    return memcmp(pair->key.via.str.ptr, key, size) == 0 ? &pair->val : NULL;
}

#define MEMBER(map, index, key) member((map), (index), (key), sizeof(key) - 1)

static bool read_item(const msgpack_object *map, item *item) {
    if (map->type != MSGPACK_OBJECT_MAP || map->via.map.size != 5) { return false; }
    const msgpack_object *id = MEMBER(map, 0, "id"), *name = MEMBER(map, 1, "name");
    const msgpack_object *score = MEMBER(map, 2, "score"), *tags = MEMBER(map, 3, "tags");
    const msgpack_object *nested = MEMBER(map, 4, "nested");
    if (id == NULL || name == NULL || score == NULL || tags == NULL || nested == NULL) { return false; }
    if (!read_integer(id, &item->id) || !read_text(name, &item->name)) { return false; }
    if (score->type != MSGPACK_OBJECT_FLOAT64) { return false; }
    item->score = score->via.f64;
    if (tags->type != MSGPACK_OBJECT_ARRAY || tags->via.array.size != tag_count) { return false; }
    for (int tag = 0; tag < tag_count; tag++) {
        if (!read_text(&tags->via.array.ptr[tag], &item->tags[tag])) { return false; }
    }
    if (nested->type != MSGPACK_OBJECT_MAP || nested->via.map.size != 2) { return false; }
    const msgpack_object *number = MEMBER(nested, 0, "number"), *flag = MEMBER(nested, 1, "flag");
    if (number == NULL || flag == NULL || flag->type != MSGPACK_OBJECT_BOOLEAN) { return false; }
    item->nested_flag = flag->via.boolean;
    return read_integer(number, &item->nested_number);
}

// Zero when the bytes are no array of `structs->count` structs.
static uint64_t read_items(cbr_structs *structs, const msgpack_object *array) {
    if (array->type != MSGPACK_OBJECT_ARRAY || array->via.array.size != structs->count) { return 0; }
    uint64_t digest = 1;
    for (size_t index = 0; index < structs->count; index++) {
        item *item = &structs->items[index];
        if (!read_item(&array->via.array.ptr[index], item)) { return 0; }
        digest += (uint64_t)item->id + item->name.size + (uint64_t)item->score + item->tags[0].size;
        digest += (uint64_t)item->nested_number + item->nested_flag;
    }
    return digest;
}

uint64_t cbr_structs_unpack(cbr_structs *structs, const uint8_t *bytes, size_t size) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    uint64_t digest = 0;
    if (msgpack_unpack_next(&unpacked, (const char *)bytes, size, NULL) == MSGPACK_UNPACK_SUCCESS) {
        digest = read_items(structs, &unpacked.data);
    }
    msgpack_unpacked_destroy(&unpacked);
    return digest;
}

cbr_structs *cbr_structs_create(const uint8_t *bytes, size_t size) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    cbr_structs *structs = NULL;
    if (msgpack_unpack_next(&unpacked, (const char *)bytes, size, NULL) == MSGPACK_UNPACK_SUCCESS
        && unpacked.data.type == MSGPACK_OBJECT_ARRAY) {
        structs = malloc(sizeof *structs);
        if (structs != NULL) {
            structs->count = unpacked.data.via.array.size;
            structs->items = calloc(structs->count, sizeof *structs->items);
            if (structs->items == NULL || read_items(structs, &unpacked.data) == 0) {
                cbr_structs_destroy(structs);
                structs = NULL;
            }
        }
    }
    msgpack_unpacked_destroy(&unpacked);
    return structs;
}

void cbr_structs_destroy(cbr_structs *structs) {
    if (structs == NULL) { return; }
    free(structs->items);
    free(structs);
}

int64_t cbr_integers_unpack(const uint8_t *bytes, size_t size, size_t count, bool *failed) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    int64_t *values = malloc(count * sizeof *values);
    int64_t sum = 0;
    *failed = values == NULL
        || msgpack_unpack_next(&unpacked, (const char *)bytes, size, NULL) != MSGPACK_UNPACK_SUCCESS
        || unpacked.data.type != MSGPACK_OBJECT_ARRAY || unpacked.data.via.array.size != count;
    for (size_t index = 0; !*failed && index < count; index++) {
        *failed = !read_integer(&unpacked.data.via.array.ptr[index], &values[index]);
    }
    // Read again, so that the memory is really written.
    for (size_t index = 0; !*failed && index < count; index += 512) { sum += ((volatile int64_t *)values)[index]; }
    free(values);
    msgpack_unpacked_destroy(&unpacked);
    return sum;
}
