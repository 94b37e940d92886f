//! Adam (Kingma and Ba 2015) over one flat tensor, with moments that can be stored: libtorch's own keeps them.

use tch::Tensor;

const BETAS: (f64, f64) = (0.9, 0.99);
const EPSILON: f64 = 1e-8;

#[derive(Debug)]
pub(crate) struct Adam {
    /// Running means of the gradient and of its square, bias not corrected.
    pub(crate) first_moment: Tensor,
    pub(crate) second_moment: Tensor,
    pub(crate) step: u64,
}

impl Adam {
    pub(crate) fn new(parameters: &Tensor) -> Self {
        Self {
            first_moment: parameters.zeros_like().detach(),
            second_moment: parameters.zeros_like().detach(),
            step: 0,
        }
    }

    /// Moves `parameters` against their gradient, and clears it.
    pub(crate) fn step(&mut self, parameters: &mut Tensor, learning_rate: f64) {
        self.step += 1;
        let corrected = |beta: f64| 1.0 - beta.powf(self.step as f64);
        let rate = learning_rate / corrected(BETAS.0);
        let spread = corrected(BETAS.1).sqrt();
        tch::no_grad(|| {
            let gradient = parameters.grad();
            let _ = self.first_moment.lerp_(&gradient, 1.0 - BETAS.0);
            let _ = self.second_moment.lerp_(&gradient.square(), 1.0 - BETAS.1);
            let root = (self.second_moment.sqrt() / spread).g_add_scalar_(EPSILON);
            let _ = parameters.g_sub_(&(&self.first_moment / root).g_mul_scalar_(rate));
        });
        parameters.zero_grad();
    }
}
