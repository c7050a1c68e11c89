// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing
import WeakReferences

@Suite struct WeakReferenceTests {
    private final class Thing: Sendable {
        /// Called in the middle of its end.
        private let atEnd: @Sendable () -> Void

        init(atEnd: @escaping @Sendable () -> Void = {}) { self.atEnd = atEnd }

        deinit { atEnd() }
    }

    private final class Count: Sendable {
        private let count = Atomic(0)

        func increment() { count.add(1, ordering: .sequentiallyConsistent) }
        var value: Int { count.load(ordering: .sequentiallyConsistent) }
    }

    private final class Slot<Content: Sendable>: Sendable {
        private let content: Mutex<Content?>

        init(_ content: Content?) { self.content = Mutex(content) }

        /// What was there goes when the lock is free again.
        func set(_ new: Content?) {
            let old = content.withLock { content in
                defer { content = new }
                return content
            }
            withExtendedLifetime(old) {}
        }
        var value: Content? { content.withLock { $0 } }
    }

    @Test func itHasTheObjectUntilItEnds() throws {
        let thing = Slot(Thing())
        let reference = WeakReference(try #require(thing.value))
        #expect(reference.object === thing.value)
        thing.set(nil)
        #expect(reference.object == nil)
        #expect(reference.object == nil)
    }

    @Test func itDoesNotKeepTheObjectButWhatItGivesDoes() throws {
        let ends = Count()
        let thing = Slot(Thing { ends.increment() })
        let reference = WeakReference(try #require(thing.value))
        let held = Slot(reference.object)
        thing.set(nil)
        #expect(ends.value == 0)
        #expect(reference.object === held.value)
        held.set(nil)
        #expect(ends.value == 1)
        #expect(reference.object == nil)
    }

    /// An actor's system is asked for it until its end takes it out.
    @Test func duringTheObjectsEndThereIsNone() throws {
        let reference = Slot<WeakReference<Thing>>(nil), wasThere = Slot<Bool>(nil)
        let thing = Slot(Thing { wasThere.set(reference.value?.object != nil) })
        reference.set(WeakReference(try #require(thing.value)))
        #expect(reference.value?.object != nil)
        thing.set(nil)
        #expect(wasThere.value == false)
    }

    /// The last reference goes on one thread while others ask for the object: each has it whole, or none.
    @Test func askingWhileItEndsIsSafe() async throws {
        for _ in 0..<2_000 {
            let ends = Count()
            let thing = Slot(Thing { ends.increment() })
            let reference = WeakReference(try #require(thing.value))
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        for _ in 0..<10 {
                            guard let thing = reference.object else { return }
                            withExtendedLifetime(thing) { #expect(ends.value == 0) }
                        }
                    }
                }
                group.addTask { thing.set(nil) }
            }
            #expect(ends.value == 1)
            #expect(reference.object == nil)
        }
    }
}
