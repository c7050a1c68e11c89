// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack
internal import Synchronization

/// What all containers of one `decode` share: the scanned message and the way down to each value being decoded.
///
/// A state serves one `decode` after the other, and what it has allocated with it. Only when something that reads from
/// it outlives the `decode`, it keeps a copy of the message and is not used again; see `KeptStates`.
final class DecodingState {
    /// The plain fields, outside the object so that access to them needs no exclusivity check.
    struct Core {
        var message = cmsgpack_message()
        /// The object that owns this.
        unowned(unsafe) let state: DecodingState
        var nodes: UnsafeMutablePointer<cmsgpack_node>
        var nodeCount: UInt32 = 1
        var nodeCapacity = DecodingState.usualNodeCapacity
        var ownsBytes = false
        /// Whether the `decode` has returned, and what reads from this has to keep it.
        var isKept = false
        var shelves = Shelves()
    }

    private static let usualNodeCapacity: UInt32 = 32
    /// How much of everything a state keeps for the next `decode`.
    private static let mostAtRest = 1024

    /// Owned by this object: made in `init`, freed in `deinit`, with the message's spans, the nodes and the maps.
    let core: UnsafeMutablePointer<Core>
    /// Guarded by the rule that one `decode` runs on one thread, like all of this object.
    @exclusivity(unchecked) private(set) var userInfo: [CodingUserInfoKey: any Sendable] = [:]

    private init() {
        core = .allocate(capacity: 1)
        core.initialize(
            to: Core(state: self, nodes: .allocate(capacity: Int(DecodingState.usualNodeCapacity)))
        )
        core.pointee.nodes.initialize(to: cmsgpack_node())
        core.pointee.nodes.pointee.is_root = true
    }

    deinit {
        core.destroyShelves()
        cmsgpack_message_free(core.message)
        core.pointee.nodes.deallocate()
        if core.pointee.ownsBytes { core.pointee.message.bytes.deallocate() }
        core.deallocate()
    }

    // MARK: One decode after the other

    /// A state that nobody else uses, and the reference to it, for `putDown(_:)`.
    static func take(_ userInfo: [CodingUserInfoKey: any Sendable]) -> Unmanaged<DecodingState> {
        KeptStates.dropUnused()
        let state =
            cmsgpack_idle_take().map { Unmanaged<DecodingState>.fromOpaque($0) } ?? .passRetained(DecodingState())
        if !userInfo.isEmpty { state._withUnsafeGuaranteedRef { $0.userInfo = userInfo } }
        return state
    }

    /// Ends the `decode` that the state was taken for.
    ///
    /// The message's bytes are the caller's again.
    static func putDown(_ state: Unmanaged<DecodingState>) {
        var object = state.toOpaque()
        let isUnused = withUnsafeMutablePointer(to: &object) {
            // The reference itself, since one more would be counted.
            $0.withMemoryRebound(to: DecodingState.self, capacity: 1) { DecodingState.isUnused(&$0.pointee) }
        }
        guard isUnused else {
            let state = state.takeRetainedValue()
            state.copyBytes()
            state.core.pointee.isKept = true
            return KeptStates.add(state)
        }
        state._withUnsafeGuaranteedRef { $0.reset() }
        if !cmsgpack_idle_put(object) { state.release() }
    }

    private func reset() {
        core.trimShelves()
        core.pointee.message.bytes = nil
        core.pointee.nodeCount = 1
        if !userInfo.isEmpty { userInfo = [:] }
        if core.pointee.message.span_capacity > DecodingState.mostAtRest { cmsgpack_message_free(core.message) }
        if core.pointee.nodeCapacity > DecodingState.mostAtRest {
            core.resizeNodes(DecodingState.usualNodeCapacity)
        }
    }

    /// Makes the message independent of the caller's memory.
    private func copyBytes() {
        let count = Int(core.pointee.message.count)
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
        if let source = core.pointee.message.bytes { bytes.initialize(from: source, count: count) }
        core.pointee.message.bytes = UnsafePointer(bytes)
        core.pointee.ownsBytes = true
    }

    /// Whether nobody can read from a state but whoever has this reference.
    ///
    /// The order matters. Once no lent container reads from it, only a decoder, or what holds the state itself, can make
    /// one; and where there is none of these either, nobody can make anything.
    static func isUnused(_ state: inout DecodingState) -> Bool {
        guard state.core.takeBackMaps(), isKnownUniquelyReferenced(&state) else { return false }
        // What its last user did with it happened before.
        atomicMemoryFence(ordering: .acquiring)
        return true
    }
}
