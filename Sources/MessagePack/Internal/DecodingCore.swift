// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// The fields of a state, which containers of a running `decode` use without counting references to the state.
typealias DecodingCore = UnsafeMutablePointer<DecodingState.Core>

extension DecodingCore {
    /// The message, which is the first field of the core, at the same address.
    @inline(__always)
    var message: Message {
        UnsafeMutableRawPointer(self).assumingMemoryBound(to: cmsgpack_message.self)
    }

    @inline(__always)
    func start(of cursor: cmsgpack_cursor) -> UnsafePointer<UInt8> {
        pointee.message.bytes + Int(cursor.offset)
    }

    // MARK: Nodes

    /// Adds a step to a way.
    ///
    /// It stays until the value that `decode(_:at:…)` is decoding is complete.
    @inline(__always)
    func push(parent: UInt32, step: UInt32, isIndex: Bool) -> UInt32 {
        let node = pointee.nodeCount
        if pointee.isKept, let known = known(parent, step, isIndex) { return known }
        if node == pointee.nodeCapacity { resizeNodes(node * 2) }
        (pointee.nodes + Int(node))
            .initialize(to: cmsgpack_node(parent: parent, step: step, is_index: isIndex, is_root: false))
        pointee.nodeCount = node + 1
        return node
    }

    /// One of the last nodes of a kept state, if it is of this step: what is kept may be read again and again.
    @inline(never)
    private func known(_ parent: UInt32, _ step: UInt32, _ isIndex: Bool) -> UInt32? {
        let count = pointee.nodeCount
        return (count - min(count, 64)..<count).last {
            let node = pointee.nodes[Int($0)]
            return node.parent == parent && node.step == step && node.is_index == isIndex && !node.is_root
        }
    }

    @inline(never)
    func resizeNodes(_ capacity: UInt32) {
        let nodes = UnsafeMutablePointer<cmsgpack_node>.allocate(capacity: Int(capacity))
        nodes.moveInitialize(from: pointee.nodes, count: Int(pointee.nodeCount))
        pointee.nodes.deallocate()
        pointee.nodes = nodes
        pointee.nodeCapacity = capacity
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
        let count = pointee.nodeCount
        let node = push(parent: parent, step: step, isIndex: isIndex)
        defer { pointee.nodeCount = count }
        return try decode(type, at: cursor, node: node)
    }

    // MARK: Errors

    func codingPath(_ node: UInt32) -> [any CodingKey] {
        var keys: [any CodingKey] = []
        var node = node
        // A container that outlives its value may name a node that is gone, or one that is another's now.
        while node < pointee.nodeCount, !pointee.nodes[Int(node)].is_root {
            let found = pointee.nodes[Int(node)]
            keys.append(key(found.step, isIndex: found.is_index))
            guard found.parent < node else { break }
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
