// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

package import Distributed
internal import Glibc
internal import Synchronization

/// A method of distributed actors, with the types that its name stands for.
///
/// Swift's `executeDistributedTarget` reads them from the mangled name for each call, which takes longer than everything
/// else that a call needs here. This does the same with types that were read once.
///
/// `@unchecked`: what the pointers refer to is written in `init` and read after that.
final class DistributedTarget: @unchecked Sendable {
    private let name: UnsafeMutablePointer<UInt8>
    private let nameLength: Int
    private let argumentTypes: UnsafeMutablePointer<Any.Type>
    /// Nil for nothing.
    private let resultType: (any Codable.Type)?

    /// Whether its calls wait for anything.
    let habit = WaitingHabit()

    /// Nil for what can only be called as the language does: generic methods, and those of generic actors.
    init?(_ method: String) {
        let utf8 = Array(method.utf8)
        nameLength = utf8.count
        name = .allocate(capacity: utf8.count)
        name.initialize(from: utf8, count: utf8.count)
        let length = UInt(utf8.count)
        let count = Int(parameterCount(name, length))
        argumentTypes = .allocate(capacity: max(0, count))
        let isPlain = count >= 0 && genericEnvironment(name, length) == nil
        let result = isPlain ? returnType(name, length, nil, nil) : nil
        resultType = result as? any Codable.Type
        // All is set by now, so what was allocated is freed also when there is no such method.
        guard isPlain, resultType != nil || result == Void.self,
            parameterTypes(name, length, nil, nil, into: UnsafeMutableRawPointer(argumentTypes), count) == count
        else { return nil }
    }

    deinit {
        name.deallocate()
        argumentTypes.deallocate()
    }

    /// Calls the method, and has the handler tell the caller what became of it.
    func execute(
        on actor: any DistributedActor,
        _ decoder: inout CallDecoder,
        _ handler: CallResultHandler
    ) async {
        do {
            if let resultType {
                try await execute(returning: resultType, on: actor, &decoder, handler)
            } else {
                // Called here and below: a function in between would be one more whose end looks for an executor.
                var nothing: Void = ()
                try await executeDistributedTarget(
                    on: actor,
                    UnsafePointer(name),
                    UInt(nameLength),
                    argumentDecoder: &decoder,
                    argumentTypes: UnsafeRawPointer(argumentTypes),
                    resultBuffer: &nothing,
                    substitutions: nil,
                    witnessTables: nil,
                    numWitnessTables: 0
                )
                handler.returned()
            }
        } catch {
            handler.failed(error)
        }
    }

    private func execute<Result: Codable>(
        returning _: Result.Type,
        on actor: any DistributedActor,
        _ decoder: inout CallDecoder,
        _ handler: CallResultHandler
    ) async throws {
        let result = Self.makeRoom(for: Result.self)
        defer { Self.free(result) }
        try await executeDistributedTarget(
            on: actor,
            UnsafePointer(name),
            UInt(nameLength),
            argumentDecoder: &decoder,
            argumentTypes: UnsafeRawPointer(argumentTypes),
            resultBuffer: result,
            substitutions: nil,
            witnessTables: nil,
            numWitnessTables: 0
        )
        handler.returned(result.move())
    }
}

extension DistributedTarget {
    /// What all memory of the C library is aligned to.
    private static let usualAlignment = 16

    /// Memory for one value.
    ///
    /// `allocate` asks the C library for a certain alignment, which takes it much longer.
    private static func makeRoom<Value>(for _: Value.Type) -> sending UnsafeMutablePointer<Value> {
        guard MemoryLayout<Value>.alignment <= usualAlignment, let room = malloc(MemoryLayout<Value>.stride) else {
            return .allocate(capacity: 1)
        }
        return room.assumingMemoryBound(to: Value.self)
    }

    private static func free<Value>(_ room: UnsafeMutablePointer<Value>) {
        if MemoryLayout<Value>.alignment <= usualAlignment { Glibc.free(room) } else { room.deallocate() }
    }
}

// What Swift's runtime has for `executeDistributedTarget` of the standard library, declared as it is there.

/// How many arguments a method takes; negative when this is the name of none.
@_silgen_name("swift_func_getParameterCount")
private func parameterCount(_ name: UnsafePointer<UInt8>, _ nameLength: UInt) -> Int32

/// Writes the types of a method's arguments, and gives their number.
@_silgen_name("swift_func_getParameterTypeInfo")
private func parameterTypes(
    _ name: UnsafePointer<UInt8>,
    _ nameLength: UInt,
    _ genericEnvironment: UnsafeRawPointer?,
    _ genericArguments: UnsafeRawPointer?,
    into types: UnsafeMutableRawPointer,
    _ count: Int
) -> Int32

/// The type that a method returns.
@_silgen_name("swift_func_getReturnTypeInfo")
private func returnType(
    _ name: UnsafePointer<UInt8>,
    _ nameLength: UInt,
    _ genericEnvironment: UnsafeRawPointer?,
    _ genericArguments: UnsafeRawPointer?
) -> Any.Type?

/// The generic parameters of a method; nil when it has none.
@_silgen_name("swift_distributed_getGenericEnvironment")
private func genericEnvironment(_ name: UnsafePointer<UInt8>, _ nameLength: UInt) -> UnsafeRawPointer?

/// Finds the method, has the decoder decode its arguments, and calls it.
@_silgen_name("swift_distributed_execute_target")
@concurrent package func executeDistributedTarget<Decoder: DistributedTargetInvocationDecoder>(
    on actor: AnyObject,
    _ name: UnsafePointer<UInt8>,
    _ nameLength: UInt,
    argumentDecoder: inout Decoder,
    argumentTypes: UnsafeRawPointer,
    resultBuffer: UnsafeMutableRawPointer,
    substitutions: UnsafeRawPointer?,
    witnessTables: UnsafeRawPointer?,
    numWitnessTables: UInt
) async throws

/// The methods that have been called by others.
final class DistributedTargets: Sendable {
    /// Far more than programs have.
    private static let mostCount = 4_096

    private struct Known {
        let method: String
        /// Nil when it can only be called as the language does.
        let target: DistributedTarget?
    }
    private struct State {
        /// The first ones: their long names are compared in a fraction of the time that hashing one takes.
        var few: [Known] = []
        var others: [String: DistributedTarget?] = [:]

        func has(_ method: String) -> Bool {
            few.contains { $0.method == method } || others[method] != nil
        }
    }
    private static let fewCount = 8

    private let state = Mutex(State())

    /// One that was added; nil when it was not, or can only be called as the language does.
    func known(_ method: String) -> DistributedTarget? {
        state.withLock { state in
            if let known = state.few.first(where: { $0.method == method }) { return known.target }
            return state.others[method] ?? nil
        }
    }

    /// Adds one that exists, because it has returned.
    func add(_ method: String) {
        // Later runtimes may be entered in another way.
        #if compiler(<6.4)
        let isKnown = state.withLock { $0.has(method) || $0.others.count >= Self.mostCount }
        if isKnown { return }
        let target = DistributedTarget(method)
        state.withLock { state in
            if state.has(method) { return }
            if state.few.count < Self.fewCount {
                state.few.append(Known(method: method, target: target))
            } else {
                state.others[method] = .some(target)
            }
        }
        #endif
    }
}
