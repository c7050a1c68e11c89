// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The type to encode an object as that is itself a closure's context.
///
/// A closure that captures one value that is nothing but a reference has no box: its context is that object. It may be
/// an instance of a class, or the storage of an array, dictionary or set.
enum SoleCapture {
    private static let known = Mutex<[ObjectIdentifier: CodableType]>([:])

    /// - Parameter object: the context.
    /// - Returns: a type of one word whose value is the reference `object`.
    /// - Throws: ``PortableClosureError/Code/captureNotCodable``.
    static func type(of object: UnsafeRawPointer) throws(PortableClosureError) -> any Codable.Type {
        let type: Any.Type = Swift.type(of: Unmanaged<AnyObject>.fromOpaque(object).takeUnretainedValue())
        let key = ObjectIdentifier(type)
        if let codable = known.withLock({ $0[key] }) { return codable.type }
        guard let codable = type as? any Codable.Type ?? collection(storedIn: type) else {
            throw PortableClosureError(
                .captureNotCodable,
                "captures only a \(String(reflecting: type)), which is not Codable; "
                    + "make that class Codable, or capture the value together with another one"
            )
        }
        let shared = CodableType(codable)
        known.withLock { $0[key] = shared }
        return codable
    }

    private static func collection(storedIn storage: Any.Type) -> (any Codable.Type)? {
        let name = String(reflecting: storage)
        // Empty collections share storage that knows no element type; any empty collection is it.
        switch name {
        case "Swift.__EmptyArrayStorage": return [Int].self
        case "Swift.__EmptyDictionarySingleton": return [Int: Int].self
        case "Swift.__EmptySetSingleton": return Set<Int>.self
        case "Swift._ContiguousArrayStorage<Swift.AnyObject>": return ObjectArray.self
        default: break
        }
        guard let levels = NominalType(storage)?.arguments, levels.count == 1 else { return nil }
        let types: [Any.Type] = levels[0].compactMap { if case .type(let type) = $0 { type } else { nil } }
        if name.hasPrefix("Swift._ContiguousArrayStorage<"), types.count == 1 {
            return array(of: types[0])
        }
        if name.hasPrefix("Swift._DictionaryStorage<"), types.count == 2, let key = types[0] as? any Hashable.Type {
            return dictionary(from: key, to: types[1])
        }
        if name.hasPrefix("Swift._SetStorage<"), types.count == 1, let element = types[0] as? any Hashable.Type {
            return set(of: element)
        }
        return nil
    }

    private static func array(of element: Any.Type) -> (any Codable.Type)? {
        func open<Element>(_: Element.Type) -> (any Codable.Type)? { [Element].self as? any Codable.Type }
        return _openExistential(element, do: open)
    }

    private static func dictionary(from key: any Hashable.Type, to value: Any.Type) -> (any Codable.Type)? {
        func openKey<Key: Hashable>(_: Key.Type) -> (any Codable.Type)? {
            func openValue<Value>(_: Value.Type) -> (any Codable.Type)? { [Key: Value].self as? any Codable.Type }
            return _openExistential(value, do: openValue)
        }
        return openKey(key)
    }

    private static func set(of element: any Hashable.Type) -> (any Codable.Type)? {
        func open<Element: Hashable>(_: Element.Type) -> (any Codable.Type)? { Set<Element>.self as? any Codable.Type }
        return open(element)
    }
}
