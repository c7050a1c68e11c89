// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// What all containers of one `decode` share: the scanned message and the way down to each value being decoded.
final class DecodingState {
    /// The plain fields, outside the object so that access to them needs no exclusivity check.
    struct Core {
        var message: cmsgpack_message
        var nodes: UnsafeMutablePointer<cmsgpack_node>
        var nodeCount: UInt32 = 1
        var nodeCapacity: UInt32 = 32
        var ownsBytes = false
    }

    /// Owned by this object: made in `init`, freed in `deinit`, with the message's spans and the nodes.
    let core: UnsafeMutablePointer<Core>
    let userInfo: [CodingUserInfoKey: any Sendable]

    /// Takes over a scanned message's spans.
    ///
    /// Its bytes stay the caller's until `copyBytes()`.
    init(_ message: cmsgpack_message, _ userInfo: [CodingUserInfoKey: any Sendable]) {
        self.userInfo = userInfo
        core = .allocate(capacity: 1)
        core.initialize(to: Core(message: message, nodes: .allocate(capacity: 32)))
        core.pointee.nodes.initialize(to: cmsgpack_node())
        core.pointee.nodes.pointee.is_root = true
    }

    deinit {
        cmsgpack_message_free(message)
        core.pointee.nodes.deallocate()
        if core.pointee.ownsBytes { core.pointee.message.bytes.deallocate() }
        core.deallocate()
    }

    /// Makes the message independent of the caller's memory, for a decoder that outlives the call.
    func copyBytes() {
        let count = Int(core.pointee.message.count)
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
        if let source = core.pointee.message.bytes { bytes.initialize(from: source, count: count) }
        core.pointee.message.bytes = UnsafePointer(bytes)
        core.pointee.ownsBytes = true
    }

    /// The message, which is the first field of the core, at the same address.
    @inline(__always)
    var message: Message {
        UnsafeMutableRawPointer(core).assumingMemoryBound(to: cmsgpack_message.self)
    }

    @inline(__always)
    func start(of cursor: cmsgpack_cursor) -> UnsafePointer<UInt8> {
        core.pointee.message.bytes + Int(cursor.offset)
    }

    // MARK: Nodes

    /// Adds a step to a way.
    ///
    /// It stays until the value that `decode(_:at:…)` is decoding is complete.
    @inline(__always)
    func push(parent: UInt32, step: UInt32, isIndex: Bool) -> UInt32 {
        let node = core.pointee.nodeCount
        if node == core.pointee.nodeCapacity { growNodes() }
        (core.pointee.nodes + Int(node))
            .initialize(
                to: cmsgpack_node(
                    parent: parent,
                    step: step,
                    is_index: isIndex,
                    is_root: false,
                    owner: 0,
                    hint_index: 0,
                    hint: cmsgpack_cursor()
                )
            )
        core.pointee.nodeCount = node + 1
        return node
    }

    private func growNodes() {
        let capacity = core.pointee.nodeCapacity * 2
        let nodes = UnsafeMutablePointer<cmsgpack_node>.allocate(capacity: Int(capacity))
        nodes.moveInitialize(from: core.pointee.nodes, count: Int(core.pointee.nodeCount))
        core.pointee.nodes.deallocate()
        core.pointee.nodes = nodes
        core.pointee.nodeCapacity = capacity
    }

    /// The hint for a map's next key.
    ///
    /// A container that outlives its value may name a node that is gone; the hint says
    /// itself which map it belongs to, so the first node is as good as any.
    @inline(__always)
    func hint(_ node: UInt32) -> UnsafeMutablePointer<cmsgpack_node> {
        core.pointee.nodes + (node < core.pointee.nodeCount ? Int(node) : 0)
    }

    /// Decodes a value: at once when its type is well known, else through its `init(from:)`.
    func decode<T: Decodable>(
        _ type: T.Type,
        at cursor: cmsgpack_cursor,
        parent: UInt32,
        step: UInt32,
        isIndex: Bool
    ) throws -> T {
        let wellKnown = WellKnownType.of(type)
        guard wellKnown == .none else {
            do throws(MessagePackError) {
                return try wellKnown.read(type, message, cursor)
            } catch {
                throw located(error, parent: parent, step: step, isIndex: isIndex)
            }
        }
        let count = core.pointee.nodeCount
        let node = push(parent: parent, step: step, isIndex: isIndex)
        defer { core.pointee.nodeCount = count }
        return try T(from: ValueReader(state: self, cursor: cursor, node: node))
    }

    // MARK: Errors

    func codingPath(_ node: UInt32) -> [any CodingKey] {
        var keys: [any CodingKey] = []
        var node = node
        while node < core.pointee.nodeCount, !core.pointee.nodes[Int(node)].is_root {
            let found = core.pointee.nodes[Int(node)]
            keys.append(key(found.step, isIndex: found.is_index))
            node = found.parent
        }
        keys.reverse()
        return keys
    }

    func path(_ node: UInt32) -> [String] { codingPath(node).map(\.stringValue) }

    private func key(_ step: UInt32, isIndex: Bool) -> PathKey {
        isIndex ? PathKey(intValue: Int(step)) : PathKey(stringValue: keyName(message, at: Int(step)))
    }

    /// The error with the way to the value in front of the path it has.
    @inline(never)
    func located(_ error: MessagePackError, parent: UInt32, step: UInt32, isIndex: Bool) -> MessagePackError {
        located(error, path(parent) + [key(step, isIndex: isIndex).stringValue])
    }

    @inline(never)
    func located(_ error: MessagePackError, _ path: [String]) -> MessagePackError {
        MessagePackError(error.code, error.message, codingPath: path + error.codingPath, byteOffset: error.byteOffset)
    }
}
