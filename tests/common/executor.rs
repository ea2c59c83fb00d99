//! Executors that wrap another one and change what a test is about.

/// Implements methods of `Executor` by forwarding them to a field: `hands_on!(host: plan write read);`.
macro_rules! hands_on {
    ($field:tt: $($method:ident)+) => {
        $(hands_on!(@$method $field);)+
    };
    (@target $field:tt) => {
        fn limits(&self) -> wgrad::specialize::DeviceLimits {
            self.$field.limits()
        }
    };
    (@plan $field:tt) => {
        fn plan(&self) -> &wgrad::plan::Plan {
            self.$field.plan()
        }
    };
    (@adopt $field:tt) => {
        fn adopt(&mut self, plan: wgrad::plan::Plan) -> wgrad::Result<()> {
            self.$field.adopt(plan)
        }
    };
    (@write $field:tt) => {
        fn write(&mut self, view: wgrad::plan::ViewId, batch_index: usize, words: &[u32]) -> wgrad::Result<()> {
            self.$field.write(view, batch_index, words)
        }
    };
    (@read $field:tt) => {
        fn read(&mut self, view: wgrad::plan::ViewId, batch_index: usize) -> wgrad::Result<wgrad::exec::Ticket> {
            self.$field.read(view, batch_index)
        }
    };
    (@submit $field:tt) => {
        fn submit(&mut self, steps: &[wgrad::plan::Step], runs: &[wgrad::exec::Run]) -> wgrad::Result<()> {
            self.$field.submit(steps, runs)
        }
    };
    (@submit_op $field:tt) => {
        fn submit_op(&mut self, steps: &[wgrad::plan::Step], run: wgrad::exec::Run, op: usize) -> wgrad::Result<()> {
            self.$field.submit_op(steps, run, op)
        }
    };
    (@read_allocation $field:tt) => {
        fn read_allocation(&mut self, allocation: wgrad::plan::AllocationId) -> wgrad::Result<Vec<u32>> {
            self.$field.read_allocation(allocation)
        }
    };
}
pub(crate) use hands_on;
